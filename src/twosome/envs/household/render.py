"""Pictures of a household: a list of rooms as text, and a floor plan drawn from flat shapes.

Lengths are in cells of `CELL` pixels. Rooms that the character does not see lie in the shade.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from twosome.envs.drawing import (
    CELL,
    INK,
    SCALE,
    SKIN,
    SKIN_EDGE,
    TILE,
    TILE_DARK,
    WOOD,
    WOOD_DARK,
    WOOD_LIGHT,
    Pen,
    Point,
    Sprite,
    box,
    enlarged,
    finished,
    line,
    oval,
    soft_shadow,
)
from twosome.envs.household import furniture, sprites
from twosome.envs.household.graph import AT_HOME, IN_HAND, ROOMS, Scene, State, Thing
from twosome.envs.household.tasks import Task
from twosome.envs.household.view import is_visible

WIDTH, HEIGHT, CAPTION = 9.3, 7.8, 0.6
ROOM_WIDTH, ROOM_HEIGHT, WALL = 4.5, 3.45, 0.1

CORNERS: dict[str, Point] = {
    "kitchen": (WALL, CAPTION),
    "living room": (ROOM_WIDTH + 2 * WALL, CAPTION),
    "bathroom": (WALL, CAPTION + ROOM_HEIGHT + WALL),
    "bedroom": (ROOM_WIDTH + 2 * WALL, CAPTION + ROOM_HEIGHT + WALL),
}
"""Upper left corner of each room."""
FLOORS = {
    "kitchen": (TILE, TILE_DARK),
    "living room": ("#eed9b6", "#e6cea6"),
    "bathroom": ("#e3f1f2", "#d5e8ea"),
    "bedroom": ("#f1e0d2", "#e9d4c3"),
}
PAPER, WALL_COLOR = "#fffaf0", "#7b5b45"
BATHTUB_WIDTH = 1.1
ROWS = (1.05, 2.45)
"""Height of the two rows of furniture in a room."""


def text_plan(task: Task, state: State) -> str:
    """The household as text, one line per room: `@` is the character, `*` what it stands close to."""
    things = task.scene.things
    lines = [f"{task.name}: {task.wish}"]
    for number, room in enumerate(ROOMS):
        here = [
            _described(task.scene, state, i)
            for i, thing in enumerate(things)
            if thing.room == room and state.places[i] == AT_HOME
        ]
        lines.append(f"{'@' if number == state.room else ' '} {room:<12} {', '.join(here)}".rstrip())
    held = [thing.name for thing, place in zip(things, state.places, strict=True) if place == IN_HAND]
    posture = f"sits on the {things[state.sitting].name}" if state.sitting >= 0 else "stands"
    return "\n".join([*lines, f"{posture}; in hand: {', '.join(held) or 'nothing'}"])


def _described(scene: Scene, state: State, i: int) -> str:
    thing = scene.things[i]
    facts = []
    if "container" in thing.affords:
        facts.append("open" if state.open >> i & 1 else "closed")
    if "switch" in thing.affords:
        facts.append("on" if state.on >> i & 1 else "off")
    facts += [f"holds {other.name}" for other, p in zip(scene.things, state.places, strict=True) if p == i]
    name = f"{thing.name}*" if state.near >> i & 1 else thing.name
    return f"{name} ({', '.join(facts)})" if facts else name


def image(task: Task, state: State) -> NDArray[np.uint8]:
    """The floor plan as an image.

    Returns:
        uint8, shape (499, 595, 3).
    """
    scene = task.scene
    picture = _rooms().copy()
    pen = Pen(picture)
    spots = _spots(scene)
    for i in range(len(scene.things)):
        if state.places[i] == AT_HOME:
            _thing(pen, scene, state, i, spots[i])
    _character(pen, scene, state, spots)
    small = finished(picture, _shadow(ROOMS[state.room]))
    _write(small, task, state, spots)
    return np.array(small, dtype=np.uint8)


@lru_cache(maxsize=1)
def _rooms() -> Image.Image:
    """Walls, floors and what never moves nor matters."""
    picture = Image.new("RGB", (round(WIDTH * CELL) * SCALE, round(HEIGHT * CELL) * SCALE), PAPER)
    pen = Pen(picture)
    pen.sprite([box(WALL_COLOR, "", 0, CAPTION - WALL, WIDTH, HEIGHT, 0.12)])
    for room, (x, y) in CORNERS.items():
        pen.sprite([box(FLOORS[room][0], "", x, y, x + ROOM_WIDTH, y + ROOM_HEIGHT, 0.03)])
        _floor(pen, room, (x, y))
        pen.sprite([box("#d8c3a5", "", x, y, x + ROOM_WIDTH, y + 0.28, 0.03)])
        pen.sprite([line("#b99f7d", x, y + 0.28, x + ROOM_WIDTH, y + 0.28, 0.03)])
    _doors(pen)
    _decor(pen)
    return picture


def _floor(pen: Pen, room: str, corner: Point) -> None:
    x, y = corner
    dark = FLOORS[room][1]
    if room in ("kitchen", "bathroom"):
        step = 0.5 if room == "kitchen" else 0.345
        across, down = round(ROOM_WIDTH / step), round(ROOM_HEIGHT / step)
        for row in range(down):
            for col in range(row % 2, across, 2):
                left, top = x + col * step, y + row * step
                right, bottom = min(left + step, x + ROOM_WIDTH), min(top + step, y + ROOM_HEIGHT)
                pen.sprite([box(dark, "", left, top, right, bottom, 0)])
        return
    for row in range(1, 9):
        top = y + row * ROOM_HEIGHT / 9
        pen.sprite([line(dark, x, top, x + ROOM_WIDTH, top, 0.03)])
        for col in range(3):
            left = x + (col + (0.5 if row % 2 else 0.15)) * ROOM_WIDTH / 3
            pen.sprite([line(dark, left, top, left, top + ROOM_HEIGHT / 9, 0.03)])


def _doors(pen: Pen) -> None:
    """Openings in the inner walls: each room is one walk from any other."""
    middle_x, middle_y = ROOM_WIDTH + 1.5 * WALL, CAPTION + ROOM_HEIGHT + WALL / 2
    for y in (CAPTION + 1.75, CAPTION + ROOM_HEIGHT + WALL + 1.75):
        pen.sprite([box(FLOORS["kitchen"][1], "", middle_x - 0.06, y - 0.45, middle_x + 0.06, y + 0.45, 0)])
    for x in (ROOM_WIDTH / 2 + WALL, ROOM_WIDTH * 1.5 + 2 * WALL):
        pen.sprite([box(FLOORS["kitchen"][1], "", x - 0.45, middle_y - 0.06, x + 0.45, middle_y + 0.34, 0)])


def _decor(pen: Pen) -> None:
    """A counter, a rug, a bathtub, a window: what tells the rooms apart."""
    x, y = CORNERS["kitchen"]
    pen.sprite(
        [
            box(WOOD, WOOD_DARK, x, y + 0.3, x + ROOM_WIDTH, y + 1.6, 0.0),
            box(WOOD_DARK, "", x, y + 1.52, x + ROOM_WIDTH, y + 1.66, 0.0),
            line(WOOD_LIGHT, x + 0.05, y + 0.38, x + ROOM_WIDTH - 0.05, y + 0.38, 0.02),
            *(line("#7a4f2d", x + dx, y + 1.54, x + dx, y + 1.64, 0.02) for dx in (0.9, 1.8, 2.7, 3.6)),
        ]
    )
    x, y = CORNERS["living room"]
    pen.sprite([oval("#c9dfd6", "#a7c7ba", x + ROOM_WIDTH / 2, y + 2.35, 1.95, 0.8)])
    pen.sprite([oval("#d8eae2", "", x + ROOM_WIDTH / 2, y + 2.35, 1.7, 0.64)])
    x, y = CORNERS["bathroom"]
    pen.sprite([box("#a9d5d8", "#7fb4b8", x + 1.9, y + 1.75, x + 3.6, y + 2.15, 0.1)])
    pen.sprite(furniture.BATHTUB, (x + 0.62, y + 2.2))
    x, y = CORNERS["bedroom"]
    pen.sprite([box("#e3c4cf", "#c99fae", x + 0.7, y + 1.7, x + ROOM_WIDTH - 0.7, y + 2.2, 0.1)])
    for room in ("living room", "bedroom"):
        x, y = CORNERS[room]
        pen.sprite(furniture.PLANT, (x + 0.4, y + 0.8))
        pen.sprite([box("#bfe3f5", "#ffffff", x + 3.5, y + 0.04, x + 4.25, y + 0.24, 0.02)])


@lru_cache(maxsize=64)
def _spots(scene: Scene) -> tuple[Point, ...]:
    """Where each thing stands at the start: cupboards and switches in the back, seats and tables in front."""
    spots: dict[int, Point] = {}
    for room, (x, y) in CORNERS.items():
        here = [i for i, thing in enumerate(scene.things) if thing.room == room and not thing.inside]
        front = [i for i in here if scene.things[i].affords & {"seat", "surface"}]
        back = [i for i in here if i not in front]
        for row, members in zip(ROWS, (back, front), strict=True):
            for place, i in enumerate(members):
                left = BATHTUB_WIDTH if room == "bathroom" else 0.0
                spots[i] = (x + left + (ROOM_WIDTH - left) * (place + 0.5) / len(members), y + row)
    for i, thing in enumerate(scene.things):
        if thing.inside:
            spots[i] = spots[scene.index[thing.inside]]
    return tuple(spots[i] for i in range(len(scene.things)))


def _thing(pen: Pen, scene: Scene, state: State, i: int, spot: Point) -> None:
    thing = scene.things[i]
    if "grabbable" in thing.affords:
        if thing.room != "kitchen":
            pen.sprite(furniture.SIDE_TABLE, spot)
        _item(pen, thing, (spot[0], spot[1] - (0.02 if thing.room == "kitchen" else 0.1)))
        return
    is_open = bool(state.open >> i & 1)
    pen.sprite(_sprite(thing, is_open, bool(state.on >> i & 1)), spot)
    inside = [other for other, place in zip(scene.things, state.places, strict=True) if place == i]
    if "container" in thing.affords and not is_open:
        return
    for number, other in enumerate(inside):
        shift = (number - (len(inside) - 1) / 2) * 0.52
        lift = {"microwave": (-0.09, 0.0), "surface": (0, -0.22)}
        dx, dy = lift.get(thing.name, lift["surface"] if "surface" in thing.affords else (0.0, 0.05))
        _item(pen, other, (spot[0] + shift + dx, spot[1] + dy), 0.75)


def _sprite(thing: Thing, is_open: bool, is_on: bool) -> Sprite:
    if "container" in thing.affords:
        return furniture.container_sprite(thing.name, is_open)
    if "switch" in thing.affords:
        return furniture.switch_sprite(thing.name, is_on)
    if "seat" in thing.affords:
        return furniture.SEATS.get(thing.name, furniture.CHAIR)
    return furniture.SURFACES.get(thing.name, furniture.TABLE)


def _item(pen: Pen, thing: Thing, spot: Point, size: float = 1.0) -> None:
    pen.sprite(sprites.ITEMS.get(thing.name, sprites.PARCEL), spot, size)


def _character(pen: Pen, scene: Scene, state: State, spots: tuple[Point, ...]) -> None:
    """The character before what it is close to, on its seat, or in the middle of the room."""
    x, y = _whereabouts(scene, state, spots)
    pen.sprite([oval("#cdbb9a", "", 0, 0.42, 0.29, 0.07)] if state.sitting < 0 else [], (x, y))
    pen.sprite(sprites.PERSON, (x, y))
    held = [thing for thing, place in zip(scene.things, state.places, strict=True) if place == IN_HAND]
    for number, thing in enumerate(held):
        side = (number - (len(held) - 1) / 2) * 0.5
        _item(pen, thing, (x + side, y + 0.29), 0.7)
        hands = (-0.2, 0.2) if len(held) == 1 else (side * 0.5 + (0.2 if side > 0 else -0.2),)
        pen.sprite([oval(SKIN, SKIN_EDGE, dx, 0.36, 0.055, 0.055) for dx in hands], (x, y))


def _whereabouts(scene: Scene, state: State, spots: tuple[Point, ...]) -> Point:
    corner = CORNERS[ROOMS[state.room]]
    if state.sitting >= 0:
        x, y = spots[state.sitting]
        return x, y - 0.05
    standing = [i for i, place in enumerate(state.places) if place == AT_HOME and state.near >> i & 1]
    if standing:
        x, y = spots[standing[-1]]
        is_back = y < corner[1] + sum(ROWS) / 2
        beside = "seat" in scene.things[standing[-1]].affords
        return (x + (1.0 if beside else 0.0), y + (0.86 if is_back else 0.0 if beside else 0.5))
    return corner[0] + ROOM_WIDTH / 2, corner[1] + 1.95


@lru_cache(maxsize=4)
def _shadow(room: str) -> Image.Image:
    """How dark each pixel is: 0 in the character's room and in the caption, with a soft edge."""
    x, y = CORNERS[room]
    lit = [length * CELL for length in (x - WALL, y - WALL, x + ROOM_WIDTH + WALL, y + ROOM_HEIGHT + WALL)]
    width, height = round(WIDTH * CELL), round(HEIGHT * CELL)
    soft = soft_shadow((width, height), lit, depth=84, radius=8, blur=4)
    ImageDraw.Draw(soft).rectangle((0, 0, width, (CAPTION - WALL) * CELL), fill=0)
    return enlarged(soft)


def _write(picture: Image.Image, task: Task, state: State, spots: tuple[Point, ...]) -> None:
    """The wish above, the name of each room, and the names of the things in sight."""
    draw = ImageDraw.Draw(picture)
    wish = f"{task.wish[0].upper()}{task.wish[1:]}"
    draw.text((0.15 * CELL, 0.24 * CELL), wish, INK, ImageFont.load_default(19), anchor="lm")
    for room, (x, y) in CORNERS.items():
        color = INK if room == ROOMS[state.room] else "#d9d3e6"
        draw.text(((x + 0.12) * CELL, (y + 0.14) * CELL), room, color, ImageFont.load_default(13), anchor="lm")
    for i, thing in enumerate(task.scene.things):
        if state.places[i] == AT_HOME and is_visible(task.scene, state, i) and state.sitting != i:
            x, y = spots[i]
            _label(draw, thing.name, (x, y - (0.66 if thing.name != "fridge" else 0.7)))


def _label(draw: ImageDraw.ImageDraw, name: str, spot: Point) -> None:
    font = ImageFont.load_default(12)
    x, y = spot[0] * CELL, spot[1] * CELL
    left, top, right, bottom = draw.textbbox((x, y), name, font, anchor="mm")
    draw.rounded_rectangle((left - 4, top - 2, right + 4, bottom + 2), 4, fill=PAPER, outline="#d8c3a5")
    draw.text((x, y), name, INK, font, anchor="mm")
