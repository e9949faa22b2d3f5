"""Pictures: what can be seen in them, and that they cannot be drawn wrongly for any task."""

import numpy as np
import pytest

from twosome.envs.household.dynamics import carry_out
from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.graph import start_state
from twosome.envs.household.oracle import Plan, shortest
from twosome.envs.household.panel import panel_task
from twosome.envs.household.render import image, text_plan
from twosome.envs.household.tasks import TASKS


def picture_after(task: str, *names: str) -> np.ndarray:
    env = HouseholdEnv(task, render_mode="rgb_array")
    env.reset()
    for name in names:
        env.step(env.action_names.index(name))
    picture = env.render()
    assert isinstance(picture, np.ndarray)
    return picture


def test_the_picture_is_an_rgb_image_of_fixed_size() -> None:
    picture = picture_after("FoodPreparation")
    assert picture.shape == (499, 595, 3)
    assert picture.dtype == np.uint8


def test_nothing_is_drawn_without_a_render_mode() -> None:
    env = HouseholdEnv()
    env.reset()
    assert env.render() is None


@pytest.mark.parametrize(
    ("task", "way", "change"),
    [
        ("FoodPreparation", ("walk microwave",), "open microwave"),
        ("FoodPreparation", ("walk pancake",), "grab pancake"),
        ("FoodPreparation", (), "walk bathroom"),
        ("Entertainment", ("walk living room", "walk TV"), "switch on TV"),
        ("Entertainment", ("walk living room", "walk sofa"), "sit on sofa"),
    ],
)
def test_what_is_open_on_held_or_sat_on_can_be_seen(task: str, way: tuple[str, ...], change: str) -> None:
    assert not np.array_equal(picture_after(task, *way), picture_after(task, *way, change))


def test_what_lies_behind_a_closed_door_is_not_drawn() -> None:
    way = ("walk pancake", "grab pancake", "walk microwave", "open microwave", "put pancake in microwave")
    opened = picture_after("FoodPreparation", *way)[80:140, 180:260]
    closed = picture_after("FoodPreparation", *way, "close microwave")[80:140, 180:260]
    untouched = picture_after("FoodPreparation", "walk microwave")[80:140, 180:260]
    assert np.array_equal(closed, untouched)
    assert not np.array_equal(opened, closed)


@pytest.mark.parametrize("step", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_every_held_out_task_can_be_drawn(step: int) -> None:
    for index in range(0, 50, step):
        task = panel_task("heldout", index)
        state = start_state(task.scene)
        pictures = [image(task, state)]
        for action in shortest(task)[:-1]:
            state = carry_out(task.scene, state, task.actions[action])
        pictures.append(image(task, state))
        assert all(picture.std() > 20 for picture in pictures)
        assert not np.array_equal(*pictures)


def test_the_text_shows_every_thing_once_in_every_state() -> None:
    task = TASKS["Entertainment"]
    for state in Plan(task).states[::17]:
        *rooms, posture = text_plan(task, state).splitlines()[1:]
        assert sum(row.startswith("@") for row in rooms) == 1
        told = "\n".join([*rooms, posture.partition("in hand")[2]])
        for thing in task.scene.things:
            assert told.count(thing.name) == 1
        assert posture.startswith("sits" if state.sitting >= 0 else "stands")


def test_the_text_plan_reads_like_this() -> None:
    env = HouseholdEnv("FoodPreparation", render_mode="ansi")
    env.reset()
    for action in (5, 8):
        env.step(action)
    assert env.render() == "\n".join(
        [
            "FoodPreparation: warm up the pancake in the microwave",
            "@ kitchen      pancake, microwave* (open)",
            "  bathroom",
            "  bedroom",
            "  living room",
            "stands; in hand: nothing",
        ]
    )
