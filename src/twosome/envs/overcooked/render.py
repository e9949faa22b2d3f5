"""Pictures of the kitchen: a grid of letters, and an image drawn from flat shapes; lengths are in cells."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twosome.envs.drawing import (
    BLUE,
    CELL,
    CHINA,
    CHINA_EDGE,
    CHINA_SHADE,
    CREAM,
    GOLD,
    GOLD_DARK,
    GREEN,
    GREEN_DARK,
    HANDLE,
    INK,
    LEAF,
    LILAC,
    LILAC_DARK,
    MOUTH,
    RED,
    RED_DARK,
    RED_LIGHT,
    SCALE,
    SKIN,
    SKIN_EDGE,
    STEEL,
    STEEL_EDGE,
    TEAL,
    TEAL_DARK,
    TILE,
    TILE_DARK,
    WOOD,
    WOOD_DARK,
    WOOD_LIGHT,
    Length,
    Pen,
    Point,
    enlarged,
    finished,
    soft_shadow,
)
from twosome.envs.overcooked.dynamics import CHOPPED, State, food_cell, hand, plate_cell
from twosome.envs.overcooked.layout import DELIVERY, SIZE, Cell, Kitchen

FLOORS = (TILE, TILE_DARK)
BOARD, BOARD_EDGE, BOARD_GRAIN = CREAM, "#b98a4e", "#e3c189"
LETTUCE_LIGHT, ONION_LIGHT = "#c3e58d", "#f0dcf2"
COAT, COAT_SHADE = "#ffffff", "#d5dde8"


def ansi(kitchen: Kitchen, state: State) -> str:
    """The kitchen as text: seven rows of letters and a line about what is carried.

    `#` counter, `=` cutting board, `S` serving counter, `C` cook, `B` bowl; a vegetable is the small letter of
    its name, the capital one where it is chopped (in the bowl it is named below).
    """
    grid = [[" ." if (row, col) in kitchen.floor else " #" for col in range(SIZE)] for row in range(SIZE)]

    def put(cell: Cell, letter: str) -> None:
        grid[cell[0]][cell[1]] = f" {letter}"

    for board in kitchen.boards:
        put(board, "=")
    put(DELIVERY, "S")
    for name, food in zip(kitchen.foods, state.foods, strict=True):
        if isinstance(food.place, tuple):
            put(food.place, name[0].upper() if food.chopped else name[0])
    if isinstance(state.plate, tuple):
        put(state.plate, "B")
    put(state.agent, "C")
    lines = ["".join(row).lstrip() for row in grid]
    return "\n".join(
        [*lines, f"{kitchen.task}; in hand: {_hand_text(kitchen, state)}; in the bowl: {_bowl_text(kitchen, state)}"]
    )


def _hand_text(kitchen: Kitchen, state: State) -> str:
    held = hand(state)
    if held.plate:
        return "bowl"
    return "nothing" if held.food is None else kitchen.foods[held.food]


def _bowl_text(kitchen: Kitchen, state: State) -> str:
    inside = [name for name, food in zip(kitchen.foods, state.foods, strict=True) if food.place == "plate"]
    return ", ".join(inside) or "nothing"


def rgb_array(kitchen: Kitchen, state: State) -> NDArray[np.uint8]:
    """The kitchen as an image of 448 x 448 pixels; what the cook does not see lies in the shade.

    Returns:
        uint8, shape (448, 448, 3).
    """
    image = _room(kitchen).copy()
    pen = Pen(image)
    for i, name in enumerate(kitchen.foods):
        food = state.foods[i]
        if isinstance(food.place, tuple):
            centre = _centre(food_cell(state, i))
            _food(pen, name, centre, 1.0, chopped=food.chopped)
            _progress(pen, centre, food.chops)
    if isinstance(state.plate, tuple):
        _bowl(pen, kitchen, state, _centre(plate_cell(state)), 1.0)
    _cook(pen, kitchen, state)
    return np.array(finished(image, _shadow(kitchen.obs_radius, state.agent)), dtype=np.uint8)


def _centre(cell: Cell) -> Point:
    return cell[1] + 0.5, cell[0] + 0.5


@lru_cache(maxsize=8)
def _room(kitchen: Kitchen) -> Image.Image:
    """Everything that never moves."""
    image = Image.new("RGB", (SIZE * CELL * SCALE,) * 2, FLOORS[0])
    pen = Pen(image)
    for row in range(SIZE):
        for col in range(SIZE):
            if (row, col) in kitchen.floor:
                pen.box((col, row), 1, 1, FLOORS[(row + col) % 2])
            else:
                _counter(pen, kitchen, (row, col))
    for board in kitchen.boards:
        _board(pen, _centre(board))
    _hatch(pen, _centre(DELIVERY))
    return image


def _counter(pen: Pen, kitchen: Kitchen, cell: Cell) -> None:
    """A counter; where the floor begins below it, its front shows."""
    row, col = cell
    pen.box((col, row), 1, 1, WOOD)
    pen.line([(col, row + 0.5), (col + 1, row + 0.5)], WOOD_LIGHT, 0.015)
    if (row + 1, col) in kitchen.floor:
        pen.box((col, row + 0.84), 1, 0.16, WOOD_DARK)
    for side, x in ((1, col + 0.97), (-1, col)):
        if (row, col + side) in kitchen.floor:
            pen.box((x, row), 0.03, 1, WOOD_DARK)
    if (row - 1, col) in kitchen.floor:
        pen.box((col, row), 1, 0.03, WOOD_DARK)


def _board(pen: Pen, centre: Point) -> None:
    x, y = centre
    pen.box((x - 0.4, y - 0.34), 0.8, 0.68, BOARD, BOARD_EDGE, radius=0.09, line=0.03)
    for offset in (-0.16, 0.0, 0.16):
        pen.line([(x - 0.32, y + offset), (x + 0.2, y + offset)], BOARD_GRAIN, 0.018)
    pen.shape(
        [(x + 0.22, y - 0.28), (x + 0.32, y - 0.2), (x + 0.32, y + 0.06), (x + 0.22, y + 0.06)], STEEL, STEEL_EDGE
    )
    pen.box((x + 0.235, y + 0.06), 0.07, 0.22, HANDLE, radius=0.03)


def _hatch(pen: Pen, centre: Point) -> None:
    """The serving counter: a green mat with a bell."""
    x, y = centre
    pen.box((x - 0.42, y - 0.42), 0.84, 0.84, TEAL, TEAL_DARK, radius=0.1, line=0.035)
    pen.box((x - 0.27, y + 0.12), 0.54, 0.09, HANDLE, radius=0.04)
    pen.slice((x, y + 0.13), 0.24, 180, GOLD, GOLD_DARK)
    pen.circle((x, y - 0.14), 0.045, GOLD_DARK)
    pen.line([(x - 0.12, y + 0.02), (x - 0.06, y - 0.05)], "#fff3c4", 0.03)


def _bowl(pen: Pen, kitchen: Kitchen, state: State, centre: Point, size: Length) -> None:
    x, y = centre
    pen.circle(centre, 0.36 * size, CHINA, CHINA_EDGE, 0.025)
    pen.circle(centre, 0.26 * size, CHINA_SHADE)
    inside = [name for name, food in zip(kitchen.foods, state.foods, strict=True) if food.place == "plate"]
    spots = {1: [(0.0, 0.0)], 2: [(-0.12, -0.04), (0.12, 0.05)], 3: [(-0.11, -0.07), (0.11, -0.07), (0.0, 0.11)]}
    for name, (dx, dy) in zip(inside, spots.get(len(inside), []), strict=True):
        _food(pen, name, (x + dx * size, y + dy * size), (0.8 if len(inside) == 1 else 0.68) * size, chopped=True)


def _food(pen: Pen, name: str, centre: Point, size: Length, *, chopped: bool) -> None:
    draw = {"tomato": _tomato, "lettuce": _lettuce, "onion": _onion}[name]
    draw(pen, centre, size, chopped)


def _tomato(pen: Pen, centre: Point, s: Length, chopped: bool) -> None:
    x, y = centre
    if chopped:
        for dx, dy in ((-0.12, -0.1), (0.13, -0.04), (-0.05, 0.14)):
            spot = (x + dx * s, y + dy * s)
            pen.circle(spot, 0.135 * s, RED, RED_DARK, 0.022 * s)
            for ex, ey in ((-0.05, -0.02), (0.05, -0.02), (0.0, 0.055)):
                pen.oval((spot[0] + ex * s, spot[1] + ey * s), 0.03 * s, 0.035 * s, "#ffc3a6")
        return
    pen.oval((x, y + 0.03 * s), 0.27 * s, 0.25 * s, RED, RED_DARK, 0.025 * s)
    pen.oval((x - 0.11 * s, y - 0.04 * s), 0.05 * s, 0.07 * s, RED_LIGHT)
    for dx in (-0.13, 0.0, 0.13):
        tip = (x + dx * s, y - (0.1 if dx else 0.03) * s)
        pen.shape([(x - 0.045 * s, y - 0.2 * s), (x + 0.045 * s, y - 0.2 * s), tip], LEAF)
    pen.line([(x, y - 0.18 * s), (x + 0.03 * s, y - 0.29 * s)], LEAF, 0.045 * s)


def _lettuce(pen: Pen, centre: Point, s: Length, chopped: bool) -> None:
    x, y = centre
    if chopped:
        for dx, dy, tint in (
            (-0.14, -0.08, GREEN),
            (0.08, -0.13, LETTUCE_LIGHT),
            (0.15, 0.06, GREEN),
            (-0.06, 0.1, LETTUCE_LIGHT),
        ):
            spot = (x + dx * s, y + dy * s)
            pen.oval(spot, 0.125 * s, 0.085 * s, tint, GREEN_DARK, 0.02 * s)
            pen.line([(spot[0] - 0.07 * s, spot[1]), (spot[0] + 0.07 * s, spot[1])], GREEN_DARK, 0.014 * s)
        return
    for angle in range(0, 360, 45):
        dx, dy = 0.17 * np.cos(np.radians(angle)), 0.17 * np.sin(np.radians(angle))
        pen.circle((x + dx * s, y + dy * s), 0.13 * s, GREEN, GREEN_DARK, 0.022 * s)
    pen.circle(centre, 0.2 * s, GREEN)
    for angle in (20, 140, 260):
        dx, dy = 0.07 * np.cos(np.radians(angle)), 0.07 * np.sin(np.radians(angle))
        pen.circle((x + dx * s, y + dy * s), 0.1 * s, LETTUCE_LIGHT, GREEN, 0.02 * s)


def _onion(pen: Pen, centre: Point, s: Length, chopped: bool) -> None:
    x, y = centre
    if chopped:
        for dx, dy in ((-0.12, -0.09), (0.13, -0.03), (-0.04, 0.14)):
            spot = (x + dx * s, y + dy * s)
            pen.circle(spot, 0.13 * s, ONION_LIGHT, LILAC, 0.035 * s)
            pen.circle(spot, 0.06 * s, "#ffffff", LILAC, 0.02 * s)
        return
    pen.shape([(x - 0.09 * s, y - 0.18 * s), (x, y - 0.36 * s), (x + 0.09 * s, y - 0.18 * s)], LILAC, LILAC_DARK)
    pen.oval((x, y + 0.03 * s), 0.26 * s, 0.24 * s, LILAC, LILAC_DARK, 0.025 * s)
    pen.oval((x, y + 0.03 * s), 0.14 * s, 0.225 * s, None, LILAC_DARK, 0.018 * s)
    pen.oval((x - 0.13 * s, y - 0.04 * s), 0.035 * s, 0.07 * s, ONION_LIGHT)
    for dx in (-0.05, 0.0, 0.05):
        pen.line([(x, y + 0.26 * s), (x + dx * s, y + 0.32 * s)], LILAC_DARK, 0.018 * s)


def _progress(pen: Pen, centre: Point, chops: int) -> None:
    """How far a vegetable is chopped, while it is neither raw nor done."""
    if not 0 < chops < CHOPPED:
        return
    x, y = centre
    pen.box((x - 0.3, y + 0.33), 0.6, 0.1, "#ffffff", INK, radius=0.04)
    pen.box((x - 0.28, y + 0.35), 0.56 * chops / CHOPPED, 0.06, LEAF, radius=0.02)


def _cook(pen: Pen, kitchen: Kitchen, state: State) -> None:
    """The cook from the front, with what is carried before the chest."""
    x, y = _centre(state.agent)
    pen.oval((x, y + 0.42), 0.29, 0.07, "#d9c9a8")
    pen.box((x - 0.26, y + 0.06), 0.52, 0.37, COAT, COAT_SHADE, radius=0.16, line=0.03)
    pen.shape([(x - 0.12, y + 0.06), (x + 0.12, y + 0.06), (x, y + 0.2)], BLUE)
    pen.circle((x, y - 0.06), 0.2, SKIN, SKIN_EDGE)
    for side in (-1, 1):
        pen.circle((x + side * 0.075, y - 0.04), 0.025, INK)
    pen.arc((x - 0.08, y - 0.06), (x + 0.08, y + 0.07), (25, 155), MOUTH, 0.022)
    for dx, radius in ((-0.14, 0.11), (0.14, 0.11), (0.0, 0.14)):
        pen.circle((x + dx, y - 0.33), radius, COAT, COAT_SHADE)
    pen.box((x - 0.17, y - 0.33), 0.34, 0.17, COAT)
    pen.box((x - 0.18, y - 0.22), 0.36, 0.08, COAT, COAT_SHADE, radius=0.03)
    held = hand(state)
    spot = (x + 0.02, y + 0.27)
    if held.plate:
        _bowl(pen, kitchen, state, spot, 0.85)
    elif held.food is not None:
        _food(pen, kitchen.foods[held.food], spot, 0.8, chopped=state.foods[held.food].chopped)
    if not held.empty:
        for side in (-1, 1):
            pen.circle((x + 0.02 + side * 0.26, spot[1] + 0.03), 0.06, SKIN, SKIN_EDGE)


@lru_cache(maxsize=64)
def _shadow(radius: int, agent: Cell) -> Image.Image:
    """How dark each pixel is: 0 in the field of view, with a soft edge."""
    row, col = agent
    lit = [(col - radius) * CELL, (row - radius) * CELL, (col + radius + 1) * CELL, (row + radius + 1) * CELL]
    return enlarged(soft_shadow((SIZE * CELL, SIZE * CELL), lit, depth=72, radius=10, blur=5))
