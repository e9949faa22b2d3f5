"""FrozenLake, Taxi and Blackjack of Gymnasium, told in words.

They need nothing but Gymnasium; pictures of them need the extra `toy-text`.
"""

from functools import cache, cached_property
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twosome.envs.arguments import check_choice, check_flag, check_whole
from twosome.envs.base import EnvObservation, env_observation
from twosome.envs.gym.wrapped import WrappedTextEnv, make_inner, one_hot
from twosome.envs.text import Planner

EXTRA = "toy-text"
SPECS: dict[str, tuple[str, dict[str, object]]] = {
    "FrozenLake": ("FrozenLakeEnv", {"is_slippery": False}),
    "FrozenLakeSlippery": ("FrozenLakeEnv", {"is_slippery": True}),
    "Taxi": ("TaxiEnv", {}),
    "Blackjack": ("BlackjackEnv", {}),
}

TILES = {"S": "ice", "F": "ice", "H": "a hole", "G": "the goal"}
EDGE = "the edge"
LAKE_STEPS = {"west": (0, -1), "south": (1, 0), "east": (0, 1), "north": (-1, 0)}
"""In the order of FrozenLake's actions: rows and columns to the next cell."""

STANDS = ("red", "green", "yellow", "blue")
IN_TAXI = len(STANDS)
TAXI_SIZE = 5

CARDS = (*range(1, 10), 10, 10, 10, 10)
"""Blackjack's deck without end: aces count 1, or 11 where that is not too much."""
DEALER_STOPS, MOST = 17, 21


class _TableEnv(WrappedTextEnv):
    """An environment whose `P` says what each action leads to in each state."""

    def planner(self) -> Planner:
        """Takes the best action on average over what may happen, by value iteration."""
        return _TablePlanner(self._inner, self._values)

    @cached_property
    def _values(self) -> NDArray[np.float64]:
        return _best_values(self._inner.P, self.gamma)


class _TablePlanner:
    def __init__(self, env: Any, values: NDArray[np.float64]) -> None:
        self._env = env
        self._values = values

    def act(self) -> int:
        return int(self._values[self._env.s].argmax())


def _best_values(table: Any, gamma: float) -> NDArray[np.float64]:
    """Value of each action in each state, from Gymnasium's `P`: lists of (probability, state, reward, ended)."""
    q = np.zeros((len(table), len(table[0])))
    while True:
        values = q.max(axis=1)
        new = np.array(
            [
                [sum(p * (r + gamma * values[s] * (not ended)) for p, s, r, ended in ways) for ways in actions.values()]
                for actions in table.values()
            ]
        )
        if np.abs(new - q).max() < 1e-9:
            return new
        q = new


class FrozenLakeEnv(_TableEnv):
    """Walk over a frozen lake to the goal, around the holes.

    ## Description
    `FrozenLake-v1` of Gymnasium in words. The prompt says where one stands and what is on the four sides.

    ## Action Space
    `Discrete(4)`: walk west, south, east, north. All are always valid; a walk over the edge leads nowhere.

    ## Observation Space
    A `Dict`: `"prompt"`, `"actions"`, and `"vector"`: row and column, one-hot, and for each side whether there is an
    edge, a hole, the goal.

    ## Rewards
    1 at the goal, else 0. `gamma` is 0.99.

    ## Starting State
    The upper left corner.

    ## Episode End
    Terminated at the goal and in a hole, truncated after `max_steps` steps.

    ## Arguments

    Args:
        map_name: "4x4" or "8x8".
        is_slippery: whether two of three steps lead to one side or the other.
        max_steps: the episode is cut off after so many steps.
        render_mode: "rgb_array" (needs the extra `toy-text`) or None.

    ## Version History
    - v0: the first.
    """

    action_names = tuple(f"walk {side}" for side in LAKE_STEPS)

    def __init__(
        self,
        map_name: str = "4x4",
        is_slippery: bool = False,
        max_steps: int = 100,
        render_mode: str | None = None,
    ) -> None:
        check_choice("map_name", map_name, ("4x4", "8x8"))
        check_flag("is_slippery", is_slippery)
        check_whole("max_steps", max_steps, 1, default=100)
        inner = make_inner("FrozenLake-v1", render_mode, EXTRA, map_name=map_name, is_slippery=is_slippery)
        self._tiles = [[letter.decode() for letter in row] for row in inner.desc]
        self._size = len(self._tiles)
        (self._goal,) = ((r, c) for r, row in enumerate(self._tiles) for c, tile in enumerate(row) if tile == "G")
        self._ice = " The ice is slippery." if is_slippery else ""
        super().__init__(inner, 2 * self._size + 3 * len(LAKE_STEPS), max_steps)

    def _observe(self) -> EnvObservation:
        row, column = divmod(int(self._inner.s), self._size)
        sides = {side: self._tile(row + down, column + right) for side, (down, right) in LAKE_STEPS.items()}
        around = ", ".join(f"{side} is {tile}" for side, tile in sides.items())
        goal_row, goal_column = (at + 1 for at in self._goal)
        prompt = (
            f"You want to cross the frozen lake to row {goal_row}, column {goal_column}.{self._ice} You are in row "
            f"{row + 1}, column {column + 1}. {around[0].upper()}{around[1:]}. Now you"
        )
        kinds = [float(tile == kind) for tile in sides.values() for kind in (EDGE, TILES["H"], TILES["G"])]
        vector = [*one_hot(row, self._size), *one_hot(column, self._size), *kinds]
        return env_observation(np.array(vector, np.float32), prompt, self.action_names)

    def _tile(self, row: int, column: int) -> str:
        inside = 0 <= row < self._size and 0 <= column < self._size
        return TILES[self._tiles[row][column]] if inside else EDGE


class TaxiEnv(_TableEnv):
    """Fetch a passenger with a taxi and bring them to where they want to go.

    ## Description
    `Taxi-v4` of Gymnasium in words: five rows and columns of streets with some walls, and four stands. The prompt says
    where the taxi is and in which directions it has to go next, to the passenger or to the stand that they want.

    ## Action Space
    `Discrete(6)`: drive south, north, east, west, pick up, let out. Offered is what Gymnasium's own mask offers: what
    changes something.

    ## Observation Space
    A `Dict`: `"prompt"`, `"actions"`, and `"vector"`: row, column, where the passenger is (the four stands, in the
    taxi), where they want to go, all one-hot, and whether what is next lies to the north, south, east, west.

    ## Rewards
    Gymnasium's, divided by 20: 1 for bringing the passenger, else -0.05 for each step. `gamma` is 0.99.

    ## Starting State
    Drawn: the taxi anywhere, the passenger at one stand, bound for another.

    ## Episode End
    Terminated when the passenger is where they want to be, truncated after `max_steps` steps.

    ## Arguments

    Args:
        max_steps: the episode is cut off after so many steps.
        render_mode: "rgb_array" (needs the extra `toy-text`) or None.

    ## Version History
    - v0: the first.
    """

    action_names = (
        "drive south",
        "drive north",
        "drive east",
        "drive west",
        "pick up the passenger",
        "let the passenger out",
    )

    def __init__(self, max_steps: int = 200, render_mode: str | None = None) -> None:
        check_whole("max_steps", max_steps, 1, default=200)
        env_id = "Taxi-v4" if "Taxi-v4" in gymnasium.registry else "Taxi-v3"  # the same, before Gymnasium 1.3
        vector_size = 2 * TAXI_SIZE + 2 * len(STANDS) + 5
        super().__init__(make_inner(env_id, render_mode, EXTRA), vector_size, max_steps, scale=0.05)

    def _observe(self) -> EnvObservation:
        row, column, passenger, wanted = map(int, self._inner.decode(self._inner.s))
        next_stand = wanted if passenger == IN_TAXI else passenger
        down, right = (there - here for there, here in zip(self._inner.locs[next_stand], (row, column), strict=True))
        sides = {"north": down < 0, "south": down > 0, "east": right > 0, "west": right < 0}
        where = " and ".join(side for side, holds in sides.items() if holds)
        way = (
            f"The {STANDS[next_stand]} stand is to the {where}"
            if where
            else f"You are at the {STANDS[next_stand]} stand"
        )
        waits = "is in the taxi" if passenger == IN_TAXI else f"waits at the {STANDS[passenger]} stand"
        prompt = (
            f"You want to bring the passenger to the {STANDS[wanted]} stand. The passenger {waits}. You are in row "
            f"{row + 1}, column {column + 1}. {way}. Now you"
        )
        vector = [
            *one_hot(row, TAXI_SIZE),
            *one_hot(column, TAXI_SIZE),
            *one_hot(passenger, len(STANDS) + 1),
            *one_hot(wanted, len(STANDS)),
            *map(float, sides.values()),
        ]
        valid = self._inner.action_mask(self._inner.s)
        if not valid.any():  # the passenger is where they want to be: the episode is over
            valid = np.ones(len(self.action_names), np.int8)
        phrases = [name if holds else "" for name, holds in zip(self.action_names, valid, strict=True)]
        return env_observation(np.array(vector, np.float32), prompt, phrases)


class BlackjackEnv(WrappedTextEnv):
    """Get nearer to 21 than the dealer, and not beyond.

    ## Description
    `Blackjack-v1` of Gymnasium in words, with its infinite deck.

    ## Action Space
    `Discrete(2)`: stop, take another card. Both are always valid.

    ## Observation Space
    A `Dict`: `"prompt"`, `"actions"`, and `"vector"`: the sum of one's cards and the dealer's card, one-hot, and
    whether an ace counts 11.

    ## Rewards
    1 for winning, -1 for losing, 0 for a draw. `gamma` is 1.

    ## Starting State
    Drawn: two cards each; one of the dealer's is seen.

    ## Episode End
    Terminated after stopping, and beyond 21.

    ## Arguments

    Args:
        render_mode: "rgb_array" (needs the extra `toy-text`) or None.

    ## Version History
    - v0: the first.
    """

    gamma = 1.0
    action_names = ("stop", "take another card")

    def __init__(self, render_mode: str | None = None) -> None:
        super().__init__(make_inner("Blackjack-v1", render_mode, EXTRA), 32 + 11 + 1, None)

    def planner(self) -> Planner:
        """Takes the best action for the chances of the deck."""
        return _BlackjackPlanner(self._inner)

    def _observe(self) -> EnvObservation:
        total, dealer, ace = map(int, self._inner._get_obs())
        shown = "an ace" if dealer == 1 else f"a {dealer}"
        counts = " and an ace of yours counts 11" if ace else ""
        prompt = (
            f"You want to come closer to 21 than the dealer, but not over it. Your cards add up to {total}{counts}. "
            f"The dealer shows {shown}. Now you"
        )
        vector = np.array([*one_hot(total, 32), *one_hot(dealer, 11), float(ace)], np.float32)
        return env_observation(vector, prompt, self.action_names)


class _BlackjackPlanner:
    def __init__(self, env: Any) -> None:
        self._env = env

    def act(self) -> int:
        total, dealer, ace = map(int, self._env._get_obs())
        return int(_take(total, bool(ace), dealer) > _stop(total, dealer))


def _with_card(total: int, ace: bool, card: int) -> tuple[int, bool]:
    """Sum and whether an ace counts 11, after another card."""
    total, aces = total + (11 if card == 1 else card), ace + (card == 1)
    while total > MOST and aces:
        total, aces = total - 10, aces - 1
    return total, bool(aces)


@cache
def _dealer_ends(total: int, ace: bool) -> dict[int, float]:
    """Chances of what the dealer ends with, 0 for too much."""
    if total >= DEALER_STOPS:
        return {total if total <= MOST else 0: 1.0}
    ends: dict[int, float] = {}
    for card in CARDS:
        for end, chance in _dealer_ends(*_with_card(total, ace, card)).items():
            ends[end] = ends.get(end, 0.0) + chance / len(CARDS)
    return ends


@cache
def _stop(total: int, dealer: int) -> float:
    """What stopping is worth, against the dealer's open card."""
    ends = _dealer_ends(*_with_card(0, False, dealer))
    return sum(chance * ((total > end) - (total < end)) for end, chance in ends.items())


@cache
def _take(total: int, ace: bool, dealer: int) -> float:
    """What another card is worth, if one goes on as well as possible."""
    worth = 0.0
    for card in CARDS:
        after, soft = _with_card(total, ace, card)
        worth += -1.0 if after > MOST else max(_stop(after, dealer), _take(after, soft, dealer))
    return worth / len(CARDS)
