"""What furniture and appliances look like, in each of their states."""

from collections.abc import Sequence

from twosome.envs.drawing import (
    BLUE,
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
    RED,
    STEEL,
    STEEL_EDGE,
    TEAL,
    TEAL_DARK,
    WOOD,
    WOOD_DARK,
    WOOD_LIGHT,
    Shape,
    Sprite,
    box,
    line,
    oval,
    shape,
)
from twosome.envs.household.sprites import CAVITY, GLASS, LIGHT_BLUE, TOAST, TOAST_DARK

_CUPBOARD: Sprite = (
    box(WOOD, WOOD_DARK, -0.5, -0.48, 0.5, 0.46, 0.05),
    box(WOOD_LIGHT, WOOD_DARK, -0.44, -0.42, -0.02, 0.4, 0.03),
    box(WOOD_LIGHT, WOOD_DARK, 0.02, -0.42, 0.44, 0.4, 0.03),
    oval(HANDLE, "", -0.08, 0.0, 0.035, 0.035),
    oval(HANDLE, "", 0.08, 0.0, 0.035, 0.035),
)
_CUPBOARD_OPEN: Sprite = (
    shape(WOOD_LIGHT, WOOD_DARK, -0.46, -0.42, -0.68, -0.34, -0.68, 0.48, -0.46, 0.4),
    shape(WOOD_LIGHT, WOOD_DARK, 0.46, -0.42, 0.68, -0.34, 0.68, 0.48, 0.46, 0.4),
    box(WOOD, WOOD_DARK, -0.5, -0.48, 0.5, 0.46, 0.05),
    box(CAVITY, WOOD_DARK, -0.43, -0.41, 0.43, 0.39, 0.03),
)


def _machine(front: tuple[Shape, ...]) -> Sprite:
    """A white appliance with a strip of buttons."""
    return (
        box(CHINA, CHINA_EDGE, -0.45, -0.48, 0.45, 0.46, 0.06),
        line(CHINA_EDGE, -0.45, -0.28, 0.45, -0.28, 0.02),
        *(oval(color, "", dx, -0.38, 0.035, 0.035) for color, dx in ((TEAL, 0.2), (GOLD, 0.31))),
        box(CHINA_SHADE, "", -0.36, -0.42, -0.05, -0.34, 0.02),
        *front,
    )


CONTAINERS: dict[str, tuple[Sprite, Sprite]] = {
    "microwave": (
        (
            box(STEEL, STEEL_EDGE, -0.55, -0.36, 0.55, 0.36, 0.07),
            box(GLASS, STEEL_EDGE, -0.47, -0.27, 0.22, 0.27, 0.05),
            line("#8fa0b5", -0.36, 0.12, -0.12, -0.16, 0.045),
            box(HANDLE, "", 0.26, -0.25, 0.31, 0.25, 0.02),
            *(oval(color, "", 0.43, dy, 0.045, 0.045) for color, dy in ((TEAL, -0.2), (GOLD, -0.05))),
            box(CHINA_SHADE, STEEL_EDGE, 0.37, 0.08, 0.49, 0.24, 0.02),
        ),
        (
            shape(STEEL, STEEL_EDGE, -0.5, -0.3, -0.86, -0.16, -0.86, 0.46, -0.5, 0.32),
            shape(GLASS, "", -0.56, -0.18, -0.8, -0.08, -0.8, 0.32, -0.56, 0.22),
            box(STEEL, STEEL_EDGE, -0.55, -0.36, 0.55, 0.36, 0.07),
            box("#fff1b8", STEEL_EDGE, -0.47, -0.27, 0.28, 0.27, 0.05),
            oval("#f3dc8e", "", -0.1, 0.2, 0.32, 0.06),
            *(oval(color, "", 0.43, dy, 0.045, 0.045) for color, dy in ((TEAL, -0.2), (GOLD, -0.05))),
            box(CHINA_SHADE, STEEL_EDGE, 0.37, 0.08, 0.49, 0.24, 0.02),
        ),
    ),
    "fridge": (
        (
            box("#f3f6f9", CHINA_EDGE, -0.38, -0.6, 0.38, 0.48, 0.07),
            line(CHINA_EDGE, -0.37, -0.22, 0.37, -0.22, 0.025),
            *(box(HANDLE, "", 0.22, top, 0.27, top + 0.2, 0.02) for top in (-0.48, -0.12)),
        ),
        (
            shape("#f3f6f9", CHINA_EDGE, 0.38, -0.55, 0.68, -0.42, 0.68, 0.58, 0.38, 0.45),
            box("#f3f6f9", CHINA_EDGE, -0.38, -0.6, 0.38, 0.48, 0.07),
            box("#d5efff", CHINA_EDGE, -0.31, -0.52, 0.31, 0.41, 0.03),
            line(CHINA_EDGE, -0.31, -0.2, 0.31, -0.2, 0.025),
        ),
    ),
    "washing machine": (
        _machine(
            (
                oval(STEEL, STEEL_EDGE, 0, 0.09, 0.28, 0.28),
                oval(GLASS, "", 0, 0.09, 0.21, 0.21),
                line("#8fa0b5", -0.1, 0.1, 0.0, -0.04, 0.035),
            )
        ),
        (
            oval(STEEL, STEEL_EDGE, -0.58, 0.09, 0.16, 0.28),
            oval(GLASS, "", -0.58, 0.09, 0.11, 0.21),
            *_machine((oval(STEEL, STEEL_EDGE, 0, 0.09, 0.32, 0.32), oval("#5b4b66", "", 0, 0.09, 0.26, 0.26))),
        ),
    ),
    "dishwasher": (
        _machine(
            (box(STEEL, STEEL_EDGE, -0.38, -0.2, 0.38, 0.4, 0.04), box(HANDLE, "", -0.2, -0.13, 0.2, -0.08, 0.02))
        ),
        (
            *_machine(
                (box("#6f7f8d", STEEL_EDGE, -0.38, -0.2, 0.38, 0.36, 0.04), line(STEEL, -0.36, 0.2, 0.36, 0.2, 0.025))
            ),
            shape(STEEL, STEEL_EDGE, -0.42, 0.4, 0.42, 0.4, 0.5, 0.62, -0.5, 0.62),
        ),
    ),
    "drawer": (
        (
            box(WOOD, WOOD_DARK, -0.45, -0.36, 0.45, 0.42, 0.05),
            *(box(WOOD_LIGHT, WOOD_DARK, -0.38, top, 0.38, top + 0.3, 0.03) for top in (-0.29, 0.05)),
            *(oval(HANDLE, "", 0.0, dy, 0.04, 0.03) for dy in (-0.14, 0.2)),
        ),
        (
            box(WOOD, WOOD_DARK, -0.45, -0.36, 0.45, 0.42, 0.05),
            box(WOOD_LIGHT, WOOD_DARK, -0.38, 0.1, 0.38, 0.36, 0.03),
            box(CAVITY, WOOD_DARK, -0.4, -0.28, 0.4, 0.16, 0.03),
            box(WOOD_LIGHT, WOOD_DARK, -0.44, 0.14, 0.44, 0.34, 0.03),
            oval(HANDLE, "", 0.0, 0.24, 0.04, 0.03),
        ),
    ),
}
"""Each container closed and open; the middle of the sprite is where its contents are drawn."""


def container_sprite(name: str, is_open: bool) -> Sprite:
    """A container with its door; one without a sprite of its own looks like a cupboard."""
    return CONTAINERS.get(name, (_CUPBOARD, _CUPBOARD_OPEN))[is_open]


_SCREEN_ON: tuple[Shape, ...] = (
    box("#8fd0f5", "", -0.54, -0.34, 0.54, 0.2, 0.03),
    oval("#ffe27a", "", 0.3, -0.18, 0.1, 0.1),
    shape(GREEN, "", -0.54, 0.2, -0.54, 0.04, -0.25, -0.08, 0.1, 0.1, 0.32, 0.02, 0.54, 0.12, 0.54, 0.2),
)
_TV: tuple[Shape, ...] = (
    box(WOOD, WOOD_DARK, -0.7, 0.34, 0.7, 0.54, 0.04),
    box(INK, "", -0.08, 0.2, 0.08, 0.36, 0.0),
    box(INK, "#23272f", -0.62, -0.42, 0.62, 0.28, 0.06),
)
_OFF = (box("#55606e", "", -0.54, -0.34, 0.54, 0.2, 0.03), line("#77838f", -0.4, 0.08, -0.12, -0.24, 0.05))
_HEATER: tuple[Shape, ...] = (box(CHINA, CHINA_EDGE, -0.46, -0.28, 0.46, 0.34, 0.06),)
_RADIO: tuple[Shape, ...] = (
    line(HANDLE, 0.24, -0.2, 0.4, -0.52, 0.03),
    box(TEAL, TEAL_DARK, -0.44, -0.22, 0.44, 0.32, 0.08),
    oval(HANDLE, TEAL_DARK, -0.2, 0.06, 0.17, 0.17),
    oval("#6b7681", "", -0.2, 0.06, 0.08, 0.08),
    oval(GOLD, GOLD_DARK, 0.26, 0.16, 0.07, 0.07),
)
_COMPUTER: tuple[Shape, ...] = (
    box(STEEL_EDGE, "", -0.06, 0.1, 0.06, 0.26, 0.0),
    box(STEEL, STEEL_EDGE, -0.36, 0.26, 0.36, 0.42, 0.04),
    box(INK, "#23272f", -0.42, -0.42, 0.42, 0.16, 0.05),
)
_LAMP_FOOT: tuple[Shape, ...] = (
    oval(HANDLE, "", 0, 0.46, 0.2, 0.06),
    line(HANDLE, 0, 0.44, 0, -0.2, 0.05),
)
SWITCHES: dict[str, tuple[Sprite, Sprite]] = {
    "TV": ((*_TV, *_OFF), (*_TV, *_SCREEN_ON)),
    "lamp": (
        (*_LAMP_FOOT, shape("#d9cdb4", "#a3967c", -0.16, -0.5, 0.16, -0.5, 0.3, -0.14, -0.3, -0.14)),
        (
            oval("#fff3c4", "", 0, -0.2, 0.55, 0.48),
            *_LAMP_FOOT,
            shape(GOLD, GOLD_DARK, -0.16, -0.5, 0.16, -0.5, 0.3, -0.14, -0.3, -0.14),
        ),
    ),
    "radio": (
        (*_RADIO, box("#55606e", "", 0.08, -0.12, 0.38, 0.02, 0.02)),
        (
            *_RADIO,
            box("#ffe27a", "", 0.08, -0.12, 0.38, 0.02, 0.02),
            *(oval(INK, "", dx, -0.34, 0.06, 0.045) for dx in (-0.34, -0.08)),
            *(line(INK, dx + 0.05, -0.34, dx + 0.05, -0.54, 0.03) for dx in (-0.34, -0.08)),
            line(INK, -0.29, -0.54, -0.03, -0.54, 0.04),
        ),
    ),
    "computer": (
        (*_COMPUTER, box("#55606e", "", -0.35, -0.35, 0.35, 0.08, 0.02)),
        (
            *_COMPUTER,
            box("#8fd0f5", "", -0.35, -0.35, 0.35, 0.08, 0.02),
            *(line("#ffffff", -0.27, dy, end, dy, 0.035) for dy, end in ((-0.25, 0.1), (-0.14, 0.24), (-0.03, 0.0))),
        ),
    ),
    "heater": (
        (*_HEATER, *(box(CHINA_SHADE, "", x, -0.2, x + 0.08, 0.26, 0.03) for x in (-0.36, -0.2, -0.04, 0.12, 0.28))),
        (
            *_HEATER,
            *(box("#ff7a45", "#d94f22", x, -0.2, x + 0.08, 0.26, 0.03) for x in (-0.36, -0.2, -0.04, 0.12, 0.28)),
        ),
    ),
}
"""Each switch off and on."""
_DEVICE: tuple[Shape, ...] = (box(STEEL, STEEL_EDGE, -0.32, -0.32, 0.32, 0.32, 0.07),)


def switch_sprite(name: str, is_on: bool) -> Sprite:
    """Something that is on or off; one without a sprite of its own has a lamp that tells."""
    light = oval("#7ee05a" if is_on else "#9aa7b0", HANDLE, 0, 0, 0.14, 0.14)
    return SWITCHES[name][is_on] if name in SWITCHES else (*_DEVICE, light)


def _couch(half: float, seats: Sequence[tuple[float, float]], fill: str, edge: str, light: str) -> Sprite:
    return (
        box(fill, edge, -half, -0.5, half, 0.2, 0.12),
        *(box(light, edge, left, -0.14, right, 0.3, 0.07) for left, right in seats),
        *(box(fill, edge, x - 0.09, -0.24, x + 0.09, 0.4, 0.08) for x in (-half, half)),
    )


SEATS: dict[str, Sprite] = {
    "sofa": _couch(0.8, ((-0.7, 0.0), (0.0, 0.7)), LIGHT_BLUE, BLUE, "#8fb4e6"),
    "armchair": _couch(0.42, ((-0.32, 0.32),), "#d98f7b", "#a85f4c", "#ebb0a0"),
    "bed": (
        box(WOOD, WOOD_DARK, -0.5, -0.62, 0.5, -0.4, 0.06),
        box("#ffffff", CHINA_EDGE, -0.47, -0.5, 0.47, 0.55, 0.06),
        box("#f6ecf4", CHINA_EDGE, -0.3, -0.46, 0.3, -0.24, 0.08),
        box(LILAC, LILAC_DARK, -0.47, -0.12, 0.47, 0.56, 0.06),
        line("#c98fcb", -0.46, 0.0, 0.46, 0.0, 0.06),
    ),
    "stool": (
        *(line(WOOD_DARK, dx, 0.0, dx * 1.3, 0.36, 0.06) for dx in (-0.2, 0.2)),
        oval(WOOD_LIGHT, WOOD_DARK, 0, 0.0, 0.32, 0.16),
    ),
}
CHAIR: Sprite = (
    box(WOOD, WOOD_DARK, -0.28, -0.52, 0.28, 0.0, 0.06),
    box(CREAM, WOOD_DARK, -0.2, -0.44, 0.2, -0.16, 0.04),
    *(line(WOOD_DARK, dx, 0.1, dx, 0.44, 0.06) for dx in (-0.26, 0.26)),
    box(WOOD_LIGHT, WOOD_DARK, -0.33, -0.04, 0.33, 0.18, 0.05),
)
SURFACES: dict[str, Sprite] = {
    "bookshelf": (
        box(WOOD, WOOD_DARK, -0.62, -0.48, 0.62, 0.46, 0.04),
        *(box(CAVITY, "", -0.55, top, 0.55, top + 0.36, 0.02) for top in (-0.41, 0.03)),
        *(
            box(color, "", -0.5 + i * 0.11, -0.35, -0.42 + i * 0.11, -0.06, 0.01)
            for i, color in enumerate((RED, TEAL, GOLD, LIGHT_BLUE, LILAC, GREEN))
        ),
    ),
    "washing basket": (
        shape(CREAM, TOAST_DARK, -0.5, -0.2, 0.5, -0.2, 0.4, 0.42, -0.4, 0.42),
        *(line(TOAST_DARK, -0.46, dy, 0.46, dy, 0.025) for dy in (0.0, 0.2)),
        oval(TOAST, TOAST_DARK, 0, -0.2, 0.5, 0.13),
    ),
    "coffee table": (
        *(line(WOOD_DARK, dx, 0.1, dx, 0.42, 0.08) for dx in (-0.5, 0.5)),
        box(WOOD_DARK, "", -0.66, 0.02, 0.66, 0.2, 0.08),
        box(WOOD_LIGHT, WOOD_DARK, -0.66, -0.26, 0.66, 0.14, 0.12),
    ),
}
TABLE: Sprite = (
    *(line(WOOD_DARK, dx, 0.1, dx, 0.5, 0.09) for dx in (-0.6, 0.6)),
    box(WOOD_DARK, "", -0.72, 0.04, 0.72, 0.22, 0.05),
    box(WOOD_LIGHT, WOOD_DARK, -0.72, -0.34, 0.72, 0.14, 0.06),
    line(WOOD, -0.6, -0.16, 0.3, -0.16, 0.02),
)
SIDE_TABLE: Sprite = (
    line(WOOD_DARK, 0.0, 0.2, 0.0, 0.48, 0.08),
    oval(WOOD_DARK, "", 0, 0.2, 0.42, 0.16),
    oval(WOOD_LIGHT, WOOD_DARK, 0, 0.16, 0.42, 0.16),
)
BATHTUB: Sprite = (
    box("#ffffff", CHINA_EDGE, -0.45, -1.0, 0.45, 1.0, 0.2),
    box("#c4e6f2", CHINA_EDGE, -0.33, -0.82, 0.33, 0.88, 0.2),
    oval("#e6f6fb", "", -0.08, 0.4, 0.16, 0.16),
    oval("#e6f6fb", "", 0.12, 0.56, 0.1, 0.1),
    box(STEEL_EDGE, "", -0.04, -0.98, 0.04, -0.74, 0.03),
)
PLANT: Sprite = (
    oval("#cdbb9a", "", 0, 0.3, 0.24, 0.06),
    *(
        oval(color, GREEN_DARK, dx, dy, 0.1, 0.2)
        for color, dx, dy in ((GREEN, -0.14, -0.16), (GREEN, 0.14, -0.16), (LEAF, 0, -0.24))
    ),
    shape("#d98f7b", "#a85f4c", -0.2, 0.0, 0.2, 0.0, 0.14, 0.3, -0.14, 0.3),
)
