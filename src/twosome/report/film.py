"""A film of an episode: the environment, and beside it each decision with the probability of every action."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from twosome.decision import Decision
from twosome.files import write_with

_WIDTH, _HEIGHT = 1000, 480
_MARGIN = 24
_ROW = 32
_PAPER, _INK, _FAINT, _BAR, _CHOSEN = "#faf7f2", "#2b2b2b", "#8c877f", "#cfd8dc", "#e4572e"


@dataclass(frozen=True)
class FilmFrame:
    """One decision of a recorded episode."""

    image: NDArray[np.uint8]  # the environment before the action, height x width x 3
    decision: Decision  # prompt and phrases
    probabilities: NDArray[np.float64]  # one for each action id
    action: int  # the id that was taken
    earned: float  # return so far, before this action


@dataclass(frozen=True)
class Recording:
    """An episode to look at: its moments, its last image, its return and success."""

    moments: tuple[FilmFrame, ...]
    last_image: NDArray[np.uint8]
    discounted_return: float
    success: bool


def save_film(recording: Recording, path: Path, seconds_per_decision: float = 1.6) -> None:
    """Draw a recorded episode into an animated GIF."""
    frames = [_decision_frame(moment, number) for number, moment in enumerate(recording.moments, start=1)]
    verdict = "The task is done." if recording.success else "The task was not done."
    frames.append(_frame(recording.last_image, verdict, recording.discounted_return, []))
    # One palette for all frames: separate ones flicker.
    palette = frames[0].quantize(colors=255, method=Image.Quantize.MEDIANCUT)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    durations = [int(seconds_per_decision * 1000)] * len(others) + [int(seconds_per_decision * 2500)]
    looped = {"append_images": others, "duration": durations, "loop": 0}
    write_with(path, lambda file: first.save(file, "GIF", save_all=True, optimize=True, **looped))


def _decision_frame(moment: FilmFrame, number: int) -> Image.Image:
    rows = [
        (moment.decision.actions[i], float(moment.probabilities[i]), i == moment.action)
        for i in moment.decision.available
    ]
    rows.sort(key=lambda row: -row[1])
    return _frame(moment.image, moment.decision.prompt + " ...", moment.earned, rows, number)


def _frame(
    image: NDArray[np.uint8],
    prompt: str,
    earned: float,
    rows: Sequence[tuple[str, float, bool]],
    number: int | None = None,
) -> Image.Image:
    canvas = Image.new("RGB", (_WIDTH, _HEIGHT), _PAPER)
    side = _HEIGHT - 2 * _MARGIN
    world = Image.fromarray(image)
    scale = min(side / world.height, 520 / world.width)
    world = world.resize((round(world.width * scale), round(world.height * scale)), Image.Resampling.LANCZOS)
    canvas.paste(world, (_MARGIN, (_HEIGHT - world.height) // 2))

    draw = ImageDraw.Draw(canvas)
    left, y = _MARGIN * 2 + world.width, _MARGIN
    width = _WIDTH - left - _MARGIN
    head = f"decision {number}" if number else "the end"
    draw.text((left, y), f"{head}     return so far {earned:+.3f}", fill=_FAINT, font=_font(15))
    y += 30
    for line in textwrap.wrap(prompt, width=int(width / 8.3)):
        draw.text((left, y), line, fill=_INK, font=_font(17))
        y += 24
    y += 14
    for phrase, probability, chosen in _most_probable(rows, max(2, (_HEIGHT - y) // _ROW)):
        draw.rounded_rectangle(
            (left, y, left + max(4, width * probability), y + 26), 5, fill=_CHOSEN if chosen else _BAR
        )
        draw.text((left + 8, y + 4), f"{probability:5.1%}  {phrase}", fill=_INK, font=_font(15))
        y += _ROW
    return canvas


def _most_probable(rows: Sequence[tuple[str, float, bool]], count: int) -> list[tuple[str, float, bool]]:
    """At most so many of the actions, the most probable first: the one taken among them, the others told as one."""
    if len(rows) <= count:
        return list(rows)
    first = list(rows[: count - 1])
    if not any(chosen for _, _, chosen in first):
        first[-1] = next(row for row in rows if row[2])
    others = len(rows) - len(first)
    return [*first, (f"... {others:,} others", 1 - sum(probability for _, probability, _ in first), False)]


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
