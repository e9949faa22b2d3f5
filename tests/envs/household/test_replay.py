"""The `-v0` tasks replay the reference's recorded episodes exactly."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from twosome.envs.household.env import HouseholdEnv

TRACES = Path(__file__).parents[2] / "traces"


def episodes(file: str) -> list[dict[str, Any]]:
    with gzip.open(TRACES / file, "rt") as lines:
        return [json.loads(line) for line in lines]


@pytest.mark.parametrize(
    ("task", "file"),
    [("FoodPreparation", "virtualhome_v1.jsonl.gz"), ("Entertainment", "virtualhome_v2.jsonl.gz")],
)
def test_every_recorded_episode_is_replayed_bit_for_bit(task: str, file: str) -> None:
    env = HouseholdEnv(task)
    recorded = episodes(file)
    assert len(recorded) == 30
    for episode in recorded:
        observation, _ = env.reset(seed=0)
        assert len(env.action_names) == len(episode["action_names"])
        assert observation["vector"].tolist() == episode["initial_obs"]
        logged, weight = 0.0, 1.0
        for number, step in enumerate(episode["steps"], start=1):
            observation, reward, terminated, truncated, info = env.step(step["action"])
            assert observation["vector"].tolist() == step["obs"]
            assert reward == step["reward"]
            assert (terminated or truncated) == step["done"]
            assert terminated == (reward == 1.0)
            assert truncated == (not terminated and number == 50)
            assert info["primitive_steps"] == step["macro_steps"] == 1
            logged += weight * reward
            weight *= env.gamma
        assert logged == episode["episode_return"]
        assert number == episode["episode_length"]
