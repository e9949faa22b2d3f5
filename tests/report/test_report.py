"""Pictures show what was recorded."""

import numpy as np
import pytest
from PIL import Image, ImageSequence

from twosome.decision import Decision
from twosome.report.curve import points, save_curve, terminal_curve
from twosome.report.film import FilmFrame, Recording, _most_probable, save_film

METRICS = [
    {"decisions": 128 * (i + 1), "episodes": 10 * i, "return_mean": i / 10 if i else None, "success_rate": 0.5}
    for i in range(10)
]


def test_updates_before_enough_episodes_have_ended_are_left_out():
    decisions, returns, success = points(METRICS)
    assert decisions == [128 * (i + 1) for i in range(2, 10)]
    assert returns == [i / 10 for i in range(2, 10)]
    assert set(success) == {0.5}


def test_an_update_without_a_return_is_no_point():
    row = {"decisions": 1280, "episodes": 300, "return_mean": None, "success_rate": None}
    assert points([row]) == ([], [], [])


LEVELS = {"random": -0.09, "a model in " + 20 * "a/long/path/" + ", untrained": 0.4, "optimal planner": 0.92}


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("width", [40, 80, 100, 200])
def test_the_terminal_curve_names_its_levels_and_fills_the_width(width, ascii_only):
    lines = terminal_curve(METRICS, LEVELS, width, ascii_only=ascii_only).splitlines()
    assert max(map(len, lines)) == width
    for name, level in (("random", "-0.09"), ("untrained", "0.40"), ("optimal planner", "0.92")):
        assert sum(f"{name} {level}" in line for line in lines) == 1


def test_the_terminal_curve_has_no_other_letters_where_only_ascii_can_be_written():
    assert terminal_curve(METRICS, LEVELS, ascii_only=True).replace("…", "...").isascii()
    assert not terminal_curve(METRICS, {}).isascii()


def places_of(strokes, picture) -> list[tuple[int, int]]:
    """Row and column of each such letter in the terminal's curve, without what is below its axis."""
    rows = picture.splitlines()[:16]
    return [(i, j) for i, row in enumerate(rows) for j, letter in enumerate(row) if letter in strokes]


BRAILLE = [chr(0x2800 + i) for i in range(1, 256)]


@pytest.mark.parametrize(("ascii_only", "letters"), [(False, BRAILLE), (True, "*")])
def test_the_terminal_curve_rises_and_falls_with_the_return(ascii_only, letters):
    falling = [row | {"return_mean": 1 - i / 10} for i, row in enumerate(METRICS)]
    for metrics, sign in ((METRICS, -1), (falling, 1)):
        places = places_of(letters, terminal_curve(metrics, {}, 80, ascii_only=ascii_only))
        rows, columns = zip(*places, strict=True)
        assert np.corrcoef(rows, columns)[0, 1] * sign > 0.99
        assert set(rows) == set(range(16))
        # From the third of ten updates to the last: what is before has too few episodes to average.
        assert set(columns) == set(range(min(columns), 80))
        assert min(columns) == pytest.approx(80 * 0.3, abs=5)


def test_a_level_is_a_line_as_high_as_its_return():
    picture = terminal_curve(METRICS, {"low": 0.0, "middle": 0.5, "high": 1.0}, 80, ascii_only=True)
    rows = [{row for row, _ in places_of(stroke, picture)} for stroke in ".-="]
    assert [max(each) for each in rows] == [15, 8, 0]


def test_a_return_that_never_changes_is_a_level_curve():
    flat = [row | {"return_mean": 0.5} for row in METRICS]
    places = places_of("*", terminal_curve(flat, {}, ascii_only=True))
    assert len({row for row, _ in places}) == 1
    assert len(places) > 30


def test_a_single_update_is_a_dot_at_the_end():
    assert len(places_of(BRAILLE, terminal_curve(METRICS[:3], {}))) == 1


def test_names_in_the_terminal_curve_do_not_steer_the_terminal():
    assert "\x1b" not in terminal_curve(METRICS, {"\x1b[2J": 0.5})


def test_a_run_without_a_finished_episode_has_an_empty_curve(tmp_path):
    assert terminal_curve(METRICS[:1], {}) == "Too few episodes have ended yet: there is no curve to draw."
    assert terminal_curve(METRICS[:3], {}) != terminal_curve(METRICS[:1], {})
    assert len(pixels_of_the_return(METRICS[:1], tmp_path)) < len(pixels_of_the_return(METRICS, tmp_path)) / 2


def pixels_of_the_return(metrics, folder) -> np.ndarray:
    """Places, from above and from the left, in the color of its curve; the legend has a few."""
    save_curve(metrics, {"random": -0.09}, "a run", folder / "curve.png")
    with Image.open(folder / "curve.png") as picture:
        return np.argwhere((np.asarray(picture.convert("RGB")) == (0xC0, 0x39, 0x2B)).all(axis=-1))


def test_the_picture_of_the_curve_rises_and_falls_with_the_return(tmp_path):
    falling = [row | {"return_mean": 1 - i / 10} for i, row in enumerate(METRICS)]
    assert np.corrcoef(pixels_of_the_return(METRICS, tmp_path).T)[0, 1] < -0.9
    assert np.corrcoef(pixels_of_the_return(falling, tmp_path).T)[0, 1] > 0.9


def test_the_film_has_a_frame_for_each_decision_and_one_for_the_end(tmp_path):
    kitchen = np.full((60, 60, 3), 200, np.uint8)
    moments = tuple(
        FilmFrame(
            kitchen, Decision(f"You are at step {i}. Now you", ("go", "", "stay")), np.array([0.3, 0, 0.7]), 2, 0.1 * i
        )
        for i in range(3)
    )
    save_film(Recording(moments, kitchen, 0.3, True), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert all((frames[i] != frames[i + 1]).any() for i in range(3))


def test_of_more_actions_than_fit_into_the_film_the_most_probable_and_the_one_taken_are_shown_and_the_others_counted():
    rows = [("go", 0.5, False), ("stay", 0.3, False), ("run", 0.1, False), ("hop", 0.06, True), ("fly", 0.04, False)]
    assert _most_probable(rows, 5) == rows
    few = _most_probable(rows, 3)
    assert few[:2] == [rows[0], rows[3]]
    assert few[2][0] == "... 3 others"
    assert few[2][1] == pytest.approx(0.44)
    assert _most_probable(rows, 2)[0] == rows[3]


def test_a_film_of_thousands_of_actions_can_be_drawn(tmp_path):
    many = Decision("Now you", tuple(f"count to {i}" for i in range(2000)))
    kitchen = np.full((60, 60, 3), 200, np.uint8)
    moment = FilmFrame(kitchen, many, np.full(2000, 1 / 2000), 1999, 0.0)
    save_film(Recording((moment,), kitchen, 0.0, False), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 2
