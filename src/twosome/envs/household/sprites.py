"""What the things of a household look like: sprites, as `twosome.envs.drawing` describes them."""

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
    INK,
    LEAF,
    LILAC,
    LILAC_DARK,
    MOUTH,
    RED,
    RED_DARK,
    RED_LIGHT,
    SKIN,
    SKIN_EDGE,
    STEEL,
    STEEL_EDGE,
    TEAL,
    TEAL_DARK,
    WOOD_DARK,
    WOOD_LIGHT,
    Length,
    Sprite,
    box,
    line,
    oval,
    shape,
)

TOAST, TOAST_DARK, LIGHT_BLUE, CAVITY, GLASS = "#e0a95c", "#b9803a", "#6f9bd8", "#6b4a33", "#55657a"

_SHIRT: tuple[Length, ...] = (-0.1, -0.22, -0.3, -0.1, -0.22, 0.04, -0.15, 0.0, -0.15, 0.24, 0.15, 0.24)
_SHIRT += (0.15, 0.0, 0.22, 0.04, 0.3, -0.1, 0.1, -0.22, 0.0, -0.14)

ITEMS: dict[str, Sprite] = {
    "pancake": (
        oval(CHINA, CHINA_EDGE, 0, 0.12, 0.33, 0.14),
        *(oval(TOAST, TOAST_DARK, 0, 0.08 - i * 0.08, 0.26, 0.11) for i in range(3)),
        box("#ffe27a", GOLD_DARK, -0.07, -0.15, 0.07, -0.05, 0.02),
    ),
    "cheese": (
        shape(GOLD, GOLD_DARK, -0.3, 0.0, 0.24, -0.2, 0.3, 0.0),
        shape("#ffd95e", GOLD_DARK, -0.3, 0.0, 0.3, 0.0, 0.3, 0.2, -0.3, 0.2),
        *(
            oval(GOLD_DARK, "", dx, dy, r, r)
            for dx, dy, r in ((-0.12, 0.1, 0.05), (0.1, 0.12, 0.04), (0.2, 0.05, 0.03))
        ),
    ),
    "hamburger": (
        box(TOAST, TOAST_DARK, -0.28, 0.08, 0.28, 0.24, 0.07),
        box("#7a4526", "#5a3019", -0.3, 0.0, 0.3, 0.1, 0.05),
        box(GREEN, GREEN_DARK, -0.31, -0.06, 0.31, 0.02, 0.04),
        box(TOAST, TOAST_DARK, -0.28, -0.26, 0.28, -0.05, 0.14),
        *(oval("#fff3d0", "", dx, dy, 0.022, 0.016) for dx, dy in ((-0.12, -0.16), (0.02, -0.2), (0.14, -0.14))),
    ),
    "apple pie": (
        oval(STEEL, STEEL_EDGE, 0, 0.04, 0.34, 0.22),
        oval(TOAST, TOAST_DARK, 0, 0.0, 0.3, 0.19),
        oval("#f6d48f", "", 0, 0.0, 0.23, 0.13),
        *(line(TOAST, dx, -0.13, dx, 0.13, 0.035) for dx in (-0.12, 0.0, 0.12)),
        *(line(TOAST, -0.21, dy, 0.21, dy, 0.035) for dy in (-0.06, 0.06)),
    ),
    "pizza": (
        shape("#f7cf6b", "", -0.28, -0.18, 0.28, -0.18, 0.0, 0.3),
        line(TOAST_DARK, -0.29, -0.18, 0.29, -0.18, 0.09),
        *(oval(RED, RED_DARK, dx, dy, 0.06, 0.06) for dx, dy in ((-0.1, -0.07), (0.1, -0.05), (0.0, 0.11))),
        oval(LEAF, "", 0.01, 0.01, 0.03, 0.02),
    ),
    "plate": (
        oval(CHINA, CHINA_EDGE, 0, 0, 0.3, 0.3),
        oval(CHINA_SHADE, "", 0, 0, 0.2, 0.2),
        oval("#d9c39a", "", 0.06, 0.05, 0.06, 0.04),
        oval("#d9c39a", "", -0.07, -0.04, 0.04, 0.03),
    ),
    "clothes": (
        box(LIGHT_BLUE, BLUE, -0.3, 0.08, 0.24, 0.26, 0.06),
        box(RED_LIGHT, RED_DARK, -0.22, -0.06, 0.3, 0.12, 0.06),
        box(GOLD, GOLD_DARK, -0.26, -0.22, 0.18, -0.03, 0.06),
        line(GOLD_DARK, -0.18, -0.12, 0.06, -0.12, 0.02),
    ),
    "chips": (
        shape(RED, RED_DARK, -0.2, -0.28, 0.2, -0.28, 0.23, 0.28, -0.23, 0.28),
        line("#ffffff", -0.18, -0.21, 0.18, -0.21, 0.02),
        oval(GOLD, GOLD_DARK, -0.03, 0.04, 0.12, 0.09),
        oval("#ffdf7e", GOLD_DARK, 0.06, 0.1, 0.1, 0.07),
    ),
    "milk": (
        shape("#ffffff", CHINA_EDGE, -0.16, -0.14, 0.0, -0.3, 0.16, -0.14),
        box("#ffffff", CHINA_EDGE, -0.17, -0.15, 0.17, 0.28, 0.02),
        box(LIGHT_BLUE, "", -0.155, 0.0, 0.155, 0.16, 0.0),
        line(CHINA_EDGE, -0.06, -0.3, 0.06, -0.3, 0.05),
    ),
    "apple": (
        oval(RED, RED_DARK, 0, 0.03, 0.22, 0.22),
        oval(RED_LIGHT, "", -0.09, -0.03, 0.04, 0.06),
        line(WOOD_DARK, 0.0, -0.15, 0.03, -0.27, 0.035),
        oval(LEAF, "", 0.1, -0.22, 0.08, 0.04),
    ),
    "bread": (
        box(TOAST, TOAST_DARK, -0.3, -0.14, 0.3, 0.18, 0.13),
        *(line(CREAM, dx, -0.06, dx + 0.06, 0.06, 0.035) for dx in (-0.18, -0.03, 0.12)),
    ),
    "cake": (
        box("#f3b6c4", "#cf7f95", -0.26, -0.06, 0.26, 0.24, 0.04),
        box("#fff6f8", "#cf7f95", -0.26, -0.16, 0.26, 0.02, 0.06),
        oval(RED, RED_DARK, 0, -0.2, 0.06, 0.06),
    ),
    "juice": (
        shape("#ffa53d", "#d57d17", -0.15, -0.12, 0.15, -0.12, 0.12, 0.26, -0.12, 0.26),
        line("#ffffff", 0.02, 0.0, 0.12, -0.3, 0.035),
    ),
    "cup": (
        oval(TEAL_DARK, "", 0.2, 0.02, 0.1, 0.11),
        oval("#f6ecd9", "", 0.2, 0.02, 0.05, 0.06),
        box(TEAL, TEAL_DARK, -0.2, -0.18, 0.18, 0.22, 0.07),
    ),
    "bowl": (
        shape(LIGHT_BLUE, BLUE, -0.3, -0.08, 0.3, -0.08, 0.16, 0.2, -0.16, 0.2),
        oval("#a9c6ee", BLUE, 0, -0.08, 0.3, 0.08),
    ),
    "glass": (
        shape("#dff0fa", "#8fb3c9", -0.15, -0.24, 0.15, -0.24, 0.11, 0.25, -0.11, 0.25),
        line("#ffffff", -0.06, -0.14, -0.04, 0.14, 0.03),
    ),
    "spoon": (line(STEEL_EDGE, -0.22, 0.22, 0.08, -0.08, 0.06), oval(STEEL, STEEL_EDGE, 0.14, -0.14, 0.12, 0.12)),
    "shirt": (shape(LIGHT_BLUE, BLUE, *_SHIRT),),
    "socks": (
        shape(LILAC, LILAC_DARK, -0.24, -0.24, -0.08, -0.24, -0.08, 0.08, 0.06, 0.14, 0.06, 0.25, -0.24, 0.22),
        shape("#c98fcb", LILAC_DARK, 0.02, -0.24, 0.18, -0.24, 0.18, 0.06, 0.3, 0.12, 0.3, 0.22, 0.08, 0.2),
    ),
    "towel": (
        box(TEAL, TEAL_DARK, -0.26, -0.2, 0.26, 0.22, 0.06),
        *(line("#dff3ef", -0.24, dy, 0.24, dy, 0.04) for dy in (-0.08, 0.1)),
    ),
    "book": (
        box(RED, RED_DARK, -0.2, -0.26, 0.2, 0.26, 0.03),
        box("#ffffff", "", 0.14, -0.22, 0.18, 0.22, 0.0),
        line(GOLD, -0.12, -0.12, 0.08, -0.12, 0.035),
    ),
    "newspaper": (
        box("#f4f2ea", "#a8a293", -0.24, -0.28, 0.24, 0.28, 0.02),
        line(INK, -0.17, -0.19, 0.17, -0.19, 0.05),
        *(line("#a8a293", -0.17, dy, 0.17, dy, 0.02) for dy in (-0.08, 0.0, 0.08, 0.16)),
    ),
    "letter": (
        box("#fffaf0", TOAST_DARK, -0.28, -0.18, 0.28, 0.2, 0.02),
        line(TOAST_DARK, -0.27, -0.17, 0.0, 0.05, 0.27, -0.17, 0.025),
        oval(RED, "", 0.0, 0.05, 0.05, 0.05),
    ),
}
PARCEL: Sprite = (
    box(WOOD_LIGHT, WOOD_DARK, -0.24, -0.2, 0.24, 0.22, 0.03),
    line(CREAM, 0.0, -0.2, 0.0, 0.22, 0.06),
)

PERSON: Sprite = (
    oval(INK, "", 0, -0.13, 0.23, 0.22),
    box(TEAL, TEAL_DARK, -0.26, 0.06, 0.26, 0.43, 0.16),
    oval(SKIN, SKIN_EDGE, 0, -0.06, 0.2, 0.2),
    shape(INK, "", -0.2, -0.12, -0.14, -0.25, 0.0, -0.29, 0.14, -0.25, 0.2, -0.12, 0.06, -0.18, -0.06, -0.14),
    *(oval(INK, "", dx, -0.04, 0.025, 0.025) for dx in (-0.075, 0.075)),
    line(MOUTH, -0.07, 0.03, -0.03, 0.06, 0.03, 0.06, 0.07, 0.03, 0.022),
)
