"""Small environments for tests, whose every answer is known."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs.spaces import PhraseIndex, text_observation

_COLORS = ("red", "green", "blue", "white", "black")
_THINGS = ("apple", "book", "cup", "pen", "shoe")
_CHARSET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,"


class Counting(gymnasium.Env[dict[str, Any], Any]):
    """Three phrases: "go left" ends the episode with reward 1, "wait" takes 3 primitive steps, "go right" 2 and 0.1.

    The prompt counts the decisions. After ``limit`` decisions the episode is cut off. "go right" is offered only
    on even counts.
    """

    action_names = ("left", "wait", "right")
    gamma = 0.9

    def __init__(self, limit: int = 4) -> None:
        self.limit = limit
        self.count = 0
        self.action_space = spaces.Discrete(3)
        text = spaces.Text(min_length=0, max_length=64, charset=_CHARSET)
        self.observation_space = spaces.Dict(
            {
                "prompt": text,
                "actions": spaces.Tuple([text] * 3),
                "vector": spaces.Box(0, 100, (1,), np.float32),
            }
        )

    def observation(self) -> dict[str, Any]:
        return {
            "prompt": f"You have decided {self.count} times. Now you",
            "actions": ("go left", "wait", "go right" if self.count % 2 == 0 else ""),
            "vector": np.array([self.count], np.float32),
        }

    def action_masks(self) -> np.ndarray:
        return np.array([1, 1, self.count % 2 == 0], np.int8)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.count = 0
        return self.observation(), {"primitive_steps": 0, "action_mask": self.action_masks()}

    def step(self, action: int):
        self.count += 1
        terminated = action == 0
        truncated = not terminated and self.count >= self.limit
        info: dict[str, Any] = {"primitive_steps": (1, 3, 2)[action], "action_mask": self.action_masks()}
        if terminated or truncated:
            info["success"] = bool(terminated)
        return self.observation(), (1.0, 0.0, -0.1)[action], terminated, truncated, info

    def get_state(self) -> dict[str, Any]:
        return {"count": self.count}

    def set_state(self, state: dict[str, Any]) -> None:
        self.count = state["count"]


class Foreign(Counting):
    """An environment that cannot save its state and says nothing of durations and success."""

    get_state = None  # type: ignore[assignment]
    set_state = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        if name in {"get_state", "set_state"}:
            raise AttributeError(name)
        return super().__getattribute__(name)

    def step(self, action: int):
        observation, reward, terminated, truncated, _ = super().step(action)
        return observation, reward, terminated, truncated, {}


class Wordy(Counting):
    """An environment that says everything in words, and nothing in numbers."""

    def __init__(self) -> None:
        super().__init__()
        del self.observation_space.spaces["vector"]

    def observation(self) -> dict[str, Any]:
        return {name: part for name, part in super().observation().items() if name != "vector"}


class Shelf(gymnasium.Env[dict[str, Any], Any]):
    """Things to take, from ``fewest`` to ``most`` of them, others in each step; the wanted one ends the episode.

    Taking another earns nothing; after three the episode is cut off.
    """

    gamma = 0.9

    def __init__(self, fewest: int = 1, most: int = 5) -> None:
        self.action_space, self.observation_space = PhraseIndex(), text_observation()
        self.fewest, self.most = fewest, most

    def observation(self) -> dict[str, Any]:
        things = [f"the {_COLORS[i % 5]} {_THINGS[i // 5 % 5]}" + f" {i // 25}" * (i >= 25) for i in self.things]
        return {
            "prompt": f"You want to take {things[self.wanted]}. It is try {self.tries}. Now you",
            "actions": [f"take {thing}" for thing in things],
        }

    def fill(self) -> None:
        count = int(self.np_random.integers(self.fewest, self.most + 1))
        self.things = self.np_random.permutation(max(25, self.most))[:count].tolist()
        self.wanted = int(self.np_random.integers(count))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        self.tries = 0
        self.fill()
        return self.observation(), {}

    def step(self, action: int):
        found = action == self.wanted
        self.tries += 1
        self.fill()
        return self.observation(), float(found), found, self.tries == 3, {}

    def get_state(self) -> dict[str, Any]:
        mine = {"things": self.things, "wanted": self.wanted, "tries": self.tries}
        return {**mine, "generator": self.np_random.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        self.things, self.wanted, self.tries = state["things"], state["wanted"], state["tries"]
        self.np_random.bit_generator.state = state["generator"]


gymnasium.register("twosome-tests/Counting-v0", Counting)
gymnasium.register("twosome-tests/Shelf-v0", Shelf)
gymnasium.register("twosome-tests/Foreign-v0", Foreign)
gymnasium.register("twosome-tests/Wordy-v0", Wordy)


def decision(prompt: str, count: int) -> Decision:
    """The decision that `Counting` poses after so many decisions."""
    return Decision(prompt, ("go left", "wait", "go right" if count % 2 == 0 else ""))


def counting_run(path: Path, **settings: Any) -> TrainConfig:
    """Settings of a short run in `Counting`: three updates of 2 x 16 decisions, unless the settings say otherwise."""
    short: dict[str, Any] = {
        "num_envs": 2,
        "rollout_steps": 16,
        "total_steps": 96,
        "policy_minibatches": 2,
        "value_minibatches": 2,
    }
    if settings.get("model", "hearth") != "hearth":
        short |= {"preset": "default", "threads": 1}
    return TrainConfig(env="twosome-tests/Counting-v0", output=path, **{**short, **settings})
