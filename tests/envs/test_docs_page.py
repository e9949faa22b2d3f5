"""What docs/environments.md says of the environments is so."""

import re
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from twosome.envs import planner_for, text
from twosome.envs.household.env import HouseholdEnv
from twosome.envs.household.oracle import shortest
from twosome.envs.household.panel import panel_size, panel_task
from twosome.envs.household.schema import NEEDED
from twosome.envs.household.tasks import CONDITIONS
from twosome.envs.overcooked.env import KitchenEnv
from twosome.envs.overcooked.layout import TASKS
from twosome.envs.overcooked.rewards import KitchenRewards

PAGE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text()
ROWS = {
    name: [cell.strip() for cell in rest.split("|")] for name, rest in re.findall(r"^\| `(\w+)` \|(.*)\|$", PAGE, re.M)
}
SAMPLES = re.findall(r"^\*\*(\w+)\*\*, (.*):\n\n> (.*) …\n> (.*)$", PAGE, re.M)
every_row = pytest.mark.parametrize("name", ROWS)


def best_way(env: gymnasium.Env[Any, Any]) -> tuple[int, int, float]:
    """Decisions, primitive steps and return of the planner."""
    planner, decisions, steps, earned, over = planner_for(env), 0, 0, 0.0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(planner.act())
        earned += env.unwrapped.gamma**steps * reward
        decisions, steps, over = decisions + 1, steps + info["primitive_steps"], terminated or truncated
    return decisions, steps, earned


def random_play(name: str, episodes: int) -> tuple[float, float]:
    """Mean return and success of actions that are drawn uniformly from the offered ones."""
    env, rng = text.make(name), np.random.default_rng(0)
    env.reset(seed=0)
    returns, successes = [], []
    for _ in range(episodes):
        _, info = env.reset()
        earned, weight, over = 0.0, 1.0, False
        while not over:
            action = int(rng.choice(np.flatnonzero(info["action_mask"])))
            _, reward, terminated, truncated, info = env.step(action)
            earned += weight * float(reward)
            weight *= env.unwrapped.gamma ** info["primitive_steps"]
            over = terminated or truncated
        returns.append(earned)
        successes.append(info["success"])
    return float(np.mean(returns)), float(np.mean(successes))


def test_every_environment_has_its_row() -> None:
    assert [f"twosome/{name}-v0" for name in ROWS] == list(text.env_ids())


@every_row
def test_a_row_has_the_goal_the_sizes_and_the_discount(name: str) -> None:
    env = text.make(name)
    observation, _ = env.reset(seed=0)
    goal, *sizes = ROWS[name][:4]
    assert sizes == [str(env.action_space.n), str(len(observation["vector"])), str(env.unwrapped.gamma)]
    if name != "HouseholdTask":
        assert observation["prompt"].startswith(f"You want to {goal}. ")


@pytest.mark.parametrize("name", [name for name in ROWS if name != "HouseholdTask"])
def test_a_row_has_the_best_way(name: str) -> None:
    env = text.make(name)
    env.reset(seed=0)
    decisions, steps, earned = best_way(env)
    assert ROWS[name][4:7] == [str(decisions), str(steps), f"{earned:.4f}"]


def test_the_best_ways_of_the_held_out_tasks_are_as_long_as_said() -> None:
    lengths = [len(shortest(panel_task("heldout", index))) for index in range(panel_size())]
    mean = np.mean([0.95 ** (length - 1) for length in lengths])
    span = f"{min(lengths)} to {max(lengths)}"
    assert ROWS["HouseholdTask"][4:7] == [span, span, f"{mean:.4f}"]


def test_random_play_earns_about_what_is_said() -> None:
    earned, success = random_play("TomatoSalad", 150)
    said, share = ROWS["TomatoSalad"][7:]
    assert earned == pytest.approx(float(said), abs=0.04)
    assert success == pytest.approx(float(share.removesuffix(" %")) / 100, abs=0.1)


@pytest.mark.slow
@every_row
def test_random_play_earns_exactly_what_is_said(name: str) -> None:
    earned, success = random_play(name, 1000)
    assert ROWS[name][7:] == [f"{earned:.3f}", f"{100 * success:.1f} %"]


@pytest.mark.parametrize(("name", "when", "prompt", "phrases"), SAMPLES)
def test_a_sample_reads_as_the_environment_does(name: str, when: str, prompt: str, phrases: str) -> None:
    env = text.make(name)
    observation, _ = env.reset(seed=0)
    for action in re.findall(r"`(.*?)`", when):
        observation, *_ = env.step(env.unwrapped.action_names.index(action))
    assert observation["prompt"] == prompt
    assert " · ".join(f"*{phrase}*" for phrase in observation["actions"] if phrase) == phrases


def test_both_families_have_samples() -> None:
    assert len(SAMPLES) == PAGE.count("\n> You want to ") == 6
    assert {name for name, *_ in SAMPLES} == {"TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment"}


def after_each_action(env: Any) -> list[bool]:
    """Whether each action, offered or not, would change the true state; the environment stays where it is."""
    saved, before = env.get_state(), env.state
    changes = []
    for action in range(len(env.action_names)):
        env.step(action)
        changes.append(env.state != before)
        env.set_state(saved)
    return changes


@pytest.mark.parametrize("name", ["TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment", "Laundry"])
def test_offered_is_what_the_page_says(name: str) -> None:
    env, rng = text.make(name).unwrapped, np.random.default_rng(0)
    _, info = env.reset(seed=0)
    hidden = 0
    for _ in range(60):
        offered, changes = info["action_mask"].astype(bool), np.array(after_each_action(env))
        hidden += int((~offered).sum())
        assert offered.any()
        if isinstance(env, KitchenEnv):
            assert not (changes & ~offered).any(), "a hidden action would have changed something"
        else:
            assert (changes | ~offered).all(), "an valid action cannot be carried out"
        *_, terminated, truncated, info = env.step(int(rng.choice(np.flatnonzero(offered))))
        if terminated or truncated:
            _, info = env.reset()
    assert hidden


def test_the_rewards_and_limits_are_those_of_the_page() -> None:
    rewards = KitchenRewards()
    assert f"{rewards.step}, and {rewards.subtask} for chopping" in PAGE
    assert f"{rewards.correct:g} for serving it, {rewards.wrong} for serving" in PAGE
    assert f"truncated after {KitchenEnv.max_steps} primitive steps" in PAGE
    assert f"`max_steps` ({HouseholdEnv().max_steps})" in PAGE
    assert f"of {panel_size()} tasks about" in PAGE
    assert len(TASKS) == 7
    assert "any of seven\n  salads" in PAGE
    for word in {*CONDITIONS, *NEEDED.values()}:
        assert f"`{word}`" in PAGE


def test_the_code_of_the_page_runs() -> None:
    names: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.S):
        exec(block, names)
    assert names["env"].reset()[0]["prompt"].startswith("You want to put the book on the desk. ")


def test_the_pictures_are_there_and_small() -> None:
    for name in ("kitchen", "household"):
        assert f"](images/{name}.png)" in PAGE
        assert (Path(__file__).parents[2] / "docs" / "images" / f"{name}.png").stat().st_size < 60_000
