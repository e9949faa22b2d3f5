"""Flat shapes, drawn large and shrunk: what all pictures of environments share.

A `Pen` draws shapes whose coordinates are in cells. A `Sprite` is a picture as data, in fractions of a cell around the
middle of the thing: each of its shapes has its kind, its fill, its edge ("" for none) and numbers. Shapes are drawn at
`SCALE` times the size of the finished image, which smooths their edges when it is shrunk.
"""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFilter

CELL = 64
"""Width of a cell in the finished image, in pixels."""
SCALE = 3

Length = float | int
Point = tuple[Length, Length]
"""(x, y) in cells, from the left and from the top."""

EDGE = 0.022
"""Width of the edges of sprites, in cells."""

WOOD, WOOD_DARK, WOOD_LIGHT = "#c58f5c", "#8f5f38", "#d9a974"
STEEL, STEEL_EDGE, HANDLE = "#e8edf0", "#9aa7b0", "#3f4a54"
CHINA, CHINA_SHADE, CHINA_EDGE = "#ffffff", "#e4eaf1", "#a9b6c6"
RED, RED_DARK, RED_LIGHT = "#e5463c", "#b92d27", "#ff8d7d"
GREEN, GREEN_DARK, LEAF = "#8cc852", "#5d9a34", "#4c9a3f"
TEAL, TEAL_DARK, GOLD, GOLD_DARK = "#58b3a6", "#3c877d", "#f5c542", "#c9962a"
CREAM, BLUE, LILAC, LILAC_DARK = "#f0d3a0", "#3f6fb5", "#b06cb3", "#824a88"
SKIN, SKIN_EDGE, MOUTH = "#f4c9a2", "#d7a37a", "#a4553f"
INK, TILE, TILE_DARK, NIGHT = "#3a3f4a", "#f6ecd9", "#efe2ca", "#2a2350"


class Shape(NamedTuple):
    """One flat shape of a sprite; made by `oval`, `box`, `shape` and `line`."""

    kind: str
    fill: str
    edge: str
    numbers: tuple[Length, ...]


Sprite = tuple[Shape, ...]


def oval(fill: str, edge: str, *numbers: Length) -> Shape:
    """An ellipse: middle x and y, two radii."""
    return Shape("oval", fill, edge, numbers)


def box(fill: str, edge: str, *numbers: Length) -> Shape:
    """A box with round corners: left, top, right, bottom, radius."""
    return Shape("box", fill, edge, numbers)


def shape(fill: str, edge: str, *numbers: Length) -> Shape:
    """A polygon: x and y of each corner."""
    return Shape("shape", fill, edge, numbers)


def line(fill: str, *numbers: Length) -> Shape:
    """A line: x and y of each point, then the width."""
    return Shape("line", fill, "", numbers)


class Pen:
    """Draws shapes whose coordinates are in cells; an edge of None or "" is none, `line` is the width of the edge."""

    def __init__(self, image: Image.Image, unit: int = CELL * SCALE) -> None:
        self.draw = ImageDraw.Draw(image)
        self.unit = unit

    def sprite(self, sprite: Sequence[Shape], centre: Point = (0.0, 0.0), size: Length = 1.0) -> None:
        """Draw a sprite around a point, `size` times as large."""
        x, y = centre
        for kind, fill, edge, n in sprite:
            if kind == "oval":
                self.oval((x + n[0] * size, y + n[1] * size), n[2] * size, n[3] * size, fill, edge, EDGE * size)
                continue
            points = [(x + n[i] * size, y + n[i + 1] * size) for i in range(0, len(n) - 1, 2)]
            if kind == "box":
                self._rectangle(points[0], points[1], fill, edge, n[4] * size, EDGE * size)
            elif kind == "shape":
                self.shape(points, fill, edge, EDGE * size)
            else:
                self.line(points, fill, n[-1] * size)

    def circle(self, centre: Point, radius: Length, fill: str, edge: str | None = None, line: Length = 0.02) -> None:
        """A circle around a point."""
        self.oval(centre, radius, radius, fill, edge, line)

    def oval(
        self, centre: Point, rx: Length, ry: Length, fill: str | None, edge: str | None = None, line: Length = 0.02
    ) -> None:
        """An ellipse around a point, with its two radii."""
        x, y = centre
        self.draw.ellipse(self._pixels((x - rx, y - ry), (x + rx, y + ry)), fill, edge or None, self._width(line))

    def slice(self, centre: Point, radius: Length, angle: Length, fill: str, edge: str, extent: Length = 180) -> None:
        """A slice of a circle, from an angle in degrees on."""
        x, y = centre
        area = self._pixels((x - radius, y - radius), (x + radius, y + radius))
        self.draw.pieslice(area, angle, angle + extent, fill, edge, self._width(0.025))

    def arc(self, corner: Point, opposite: Point, angles: tuple[Length, Length], fill: str, width: Length) -> None:
        """The part of the ellipse in a box that lies between two angles in degrees."""
        self.draw.arc(self._pixels(corner, opposite), *angles, fill, self._width(width))

    def box(
        self,
        corner: Point,
        width: Length,
        height: Length,
        fill: str,
        edge: str | None = None,
        radius: Length = 0.0,
        line: Length = 0.02,
    ) -> None:
        """A box with round corners, from its upper left corner."""
        x, y = corner
        self._rectangle(corner, (x + width, y + height), fill, edge, radius, line)

    def shape(self, points: Sequence[Point], fill: str, edge: str | None = None, line: Length = 0.02) -> None:
        """A polygon."""
        self.draw.polygon(self._pixels(*points), fill, edge or None, self._width(line))

    def line(self, points: Sequence[Point], fill: str, width: Length) -> None:
        """A line through points."""
        self.draw.line(self._pixels(*points), fill, self._width(width), joint="curve")

    def _rectangle(
        self, corner: Point, opposite: Point, fill: str, edge: str | None, radius: Length, line: Length
    ) -> None:
        area = self._pixels(corner, opposite)
        self.draw.rounded_rectangle(area, radius * self.unit, fill, edge or None, self._width(line))

    def _pixels(self, *points: Point) -> list[Length]:
        return [length * self.unit for point in points for length in point]

    def _width(self, width: Length) -> int:
        return max(1, round(width * self.unit))


def soft_shadow(size: tuple[int, int], lit: Sequence[Length], depth: int, radius: Length, blur: Length) -> Image.Image:
    """How dark each pixel is, 0 to 255: 0 in a box with round corners, `depth` around it, with a soft edge.

    Args:
        size: width and height, in pixels.
        lit: left, top, right and bottom of the box, in pixels.
        depth: how dark it is outside.
        radius: of the corners.
        blur: width of the soft edge.
    """
    shadow = Image.new("L", size, depth)
    ImageDraw.Draw(shadow).rounded_rectangle(list(lit), radius, fill=0)
    return shadow.filter(ImageFilter.GaussianBlur(blur))


def enlarged(shadow: Image.Image) -> Image.Image:
    """A shadow of the finished size, for the large image that is drawn."""
    width, height = shadow.size
    return shadow.resize((width * SCALE, height * SCALE), Image.Resampling.BILINEAR)


def finished(picture: Image.Image, shadow: Image.Image) -> Image.Image:
    """The picture with the shadow on it, in its final size."""
    shaded = Image.composite(Image.new("RGB", picture.size, NIGHT), picture, shadow)
    width, height = picture.size
    return shaded.resize((width // SCALE, height // SCALE), Image.Resampling.LANCZOS)
