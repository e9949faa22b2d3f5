"""Gymnasium's toy environments in words, as their users would connect them; prompts as in everyday English."""

from abc import ABC, abstractmethod
from typing import Any

import gymnasium
from gymnasium import spaces

_CHARSET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,"


class InWords(gymnasium.Env[dict[str, Any], Any], ABC):
    """An environment of numbers whose states and actions are told in words.

    Args:
        id: of the environment of numbers.
        actions: a phrase for each of its actions.
        kwargs: arguments of it.
    """

    def __init__(self, id: str, actions: tuple[str, ...], **kwargs: Any) -> None:
        self.world = gymnasium.make(id, **kwargs)
        self.actions = actions
        text = spaces.Text(min_length=0, max_length=400, charset=_CHARSET)
        self.action_space = spaces.Discrete(len(actions))
        self.observation_space = spaces.Dict({"prompt": text, "actions": spaces.Tuple([text] * len(actions))})

    @abstractmethod
    def told(self, state: Any) -> str:
        """A state in words."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None):
        super().reset(seed=seed)
        state, _ = self.world.reset(seed=seed)
        return {"prompt": self.told(state), "actions": self.actions}, {}

    def step(self, action: int):
        state, reward, terminated, truncated, _ = self.world.step(action)
        return {"prompt": self.told(state), "actions": self.actions}, float(reward), terminated, truncated, {}


class FrozenLake(InWords):
    def __init__(self) -> None:
        super().__init__("FrozenLake-v1", ("walk west", "walk south", "walk east", "walk north"), is_slippery=False)

    def told(self, state: int) -> str:
        row, column = divmod(int(state), 4)
        return (
            "You want to reach the goal in the corner, and you must not fall into a hole in the ice. You stand in row "
            f"{row} and column {column}. The goal is in row 3 and column 3. Now you"
        )


class Taxi(InWords):
    places = ("the red place", "the green place", "the yellow place", "the blue place", "the taxi")

    def __init__(self) -> None:
        newest = "Taxi-v4" if "Taxi-v4" in gymnasium.registry else "Taxi-v3"
        moves = ("drive south", "drive north", "drive east", "drive west")
        super().__init__(newest, (*moves, "pick up the passenger", "drop off the passenger"))

    def told(self, state: int) -> str:
        row, column, passenger, goal = self.world.unwrapped.decode(int(state))
        return (
            f"You want to bring the passenger to {self.places[goal]}. The passenger is at {self.places[passenger]}. "
            f"Your taxi is in row {row} and column {column}. Now you"
        )


class Blackjack(InWords):
    def __init__(self) -> None:
        super().__init__("Blackjack-v1", ("stop", "take another card"))

    def told(self, state: tuple[int, int, int]) -> str:
        own, dealer, ace = state
        usable = "a" if ace else "no"
        return (
            f"You want to come near 21 and not above. Your cards count {own}, with {usable} usable ace. The dealer "
            f"shows {dealer}. Now you"
        )


gymnasium.register("toy-text/FrozenLake-v0", FrozenLake)
gymnasium.register("toy-text/Taxi-v0", Taxi)
gymnasium.register("toy-text/Blackjack-v0", Blackjack)
