"""Pictures show what was recorded."""

import numpy as np
from PIL import Image, ImageSequence

from twosome.decision import Decision
from twosome.report.curve import points, save_curve, terminal_curve
from twosome.report.film import Moment, Recording, save_film

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


def test_the_terminal_curve_names_its_levels_and_fits_the_width():
    picture = terminal_curve(METRICS, {"random": -0.09, "optimal planner": 0.92}, width=70)
    assert "random" in picture
    assert "0.92" in picture
    assert max(len(line) for line in picture.splitlines()) <= 70


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
        Moment(
            kitchen, Decision(f"You are at step {i}. Now you", ("go", "", "stay")), np.array([0.3, 0, 0.7]), 2, 0.1 * i
        )
        for i in range(3)
    )
    save_film(Recording(moments, kitchen, 0.3, True), tmp_path / "film.gif")
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4
        frames = [np.asarray(frame.convert("RGB")) for frame in ImageSequence.Iterator(film)]
    assert all((frames[i] != frames[i + 1]).any() for i in range(3))
