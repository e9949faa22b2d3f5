from typing import Any

import gymnasium
import numpy as np

from twosome.envs import text


def test_the_letters_show_where_everything_is() -> None:
    env = text.make("TomatoLettuceSalad", render_mode="ansi")
    env.reset()
    env.step(0)
    assert env.render() == (
        "# # # # # # #\n"
        "= . . . . C l\n"
        "= . . . . . o\n"
        "S . . . . . #\n"
        "# . . . . . #\n"
        "# . . . . . #\n"
        "# # # # # B #\n"
        "lettuce-tomato salad; in hand: tomato; in the bowl: nothing"
    )


def picture_of(env: gymnasium.Env[Any, Any]) -> np.ndarray:
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    return picture


def test_the_picture_changes_just_where_something_happens() -> None:
    env = text.make("TomatoSalad", render_mode="rgb_array", actions="primitive", obs_radius=6)
    env.reset()
    before = picture_of(env)
    env.step(0)
    after = picture_of(env)
    assert before.shape == after.shape == (448, 448, 3)
    changed = {(row // 64, col // 64) for row, col in np.argwhere((before != after).any(axis=2))}
    assert {(1, 4), (1, 5)} <= changed
    assert all(abs(row - 1) <= 1 and abs(col - 4.5) <= 1.5 for row, col in changed)


def test_what_is_out_of_view_lies_in_the_shade() -> None:
    bright, dim = (text.make("TomatoSalad", render_mode="rgb_array", obs_radius=r) for r in (6, 2))
    for env in (bright, dim):
        env.reset()
    difference = picture_of(bright).astype(int).sum(axis=2) - picture_of(dim).astype(int).sum(axis=2)
    assert difference[416, 32] > 60  # the far corner
    assert difference[160, 288] == 0  # two cells below the cook


def test_every_kind_of_thing_can_be_drawn() -> None:
    env = text.make("TomatoLettuceSalad", layout="C", render_mode="rgb_array", task="lettuce-onion-tomato salad")
    env.reset()
    pictures = set()
    for action in [0, 8, 2, 8, 1, 5, 7, 2, 4, 7, 5, 1, 8, 0, 5, 7, 1, 3, 2, 0, 6]:
        *_, terminated, _, _ = env.step(action)
        pictures.add(picture_of(env).tobytes())
    assert terminated
    assert len(pictures) >= 18
