"""The best way to act in a kitchen, by exact dynamic programming over every state that can be reached.

Best means: the largest discounted return as it is logged, every primitive reward discounted by `gamma` per
primitive step, no time limit. In a deterministic environment with durations that is the fixed point of

    V(s) = max_a  R(s, a) + gamma ** k(s, a) * V(s')

found by value iteration. The planner knows the true state, not only what is in view.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from twosome.envs.overcooked import dynamics
from twosome.envs.overcooked.dynamics import ActionResult, State
from twosome.envs.overcooked.layout import MOVE_NAMES, Kitchen
from twosome.envs.overcooked.rewards import KitchenRewards

TOLERANCE = 1e-12
TIE = 1e-9
"""Two actions whose values differ by less are equally good."""
MAX_SWEEPS = 10_000

Options = Callable[[Kitchen, State], Iterator[tuple[int, ActionResult]]]


def macro_options(kitchen: Kitchen, state: State) -> Iterator[tuple[int, ActionResult]]:
    """What each macro-action leads to."""
    for action in range(len(kitchen.macros)):
        yield action, dynamics.run.__wrapped__(kitchen, state, action)


def primitive_options(kitchen: Kitchen, state: State) -> Iterator[tuple[int, ActionResult]]:
    """What each move leads to with which some macro-action begins.

    All moves of all states would be too many with three vegetables. These are enough to carry out every
    macro-action step by step, and to change one's mind on the way.
    """
    moves = {dynamics.next_move(kitchen, state, action) for action in range(len(kitchen.macros))}
    for move in sorted(moves):
        yield move, dynamics.run_primitive.__wrapped__(kitchen, state, move)


class Plan:
    """Values of all states that can be reached from one of them.

    Args:
        kitchen: where.
        rewards: what pays.
        gamma: discount per primitive step.
        root: the state from which the others are reached.
        primitive: whether the actions are single steps.
    """

    def __init__(
        self, kitchen: Kitchen, rewards: KitchenRewards, gamma: float, root: State, primitive: bool = False
    ) -> None:
        options = primitive_options if primitive else macro_options
        num_actions = len(MOVE_NAMES) if primitive else len(kitchen.macros)
        self.index: dict[State, int] = {root: 0}
        self.states: list[State] = [root]
        rows = [self._expand(kitchen, rewards, gamma, state, options, num_actions) for state in self.states]
        """`_expand` appends to the list that is being gone through, until nothing new is found."""
        successors, gains, discounts = (np.array(column) for column in zip(*rows, strict=True))
        self.q: Float[np.ndarray, "S A"] = _action_values(successors, gains, discounts, rewards.step / (1 - gamma))

    def _expand(
        self,
        kitchen: Kitchen,
        rewards: KitchenRewards,
        gamma: float,
        state: State,
        options: Options,
        num_actions: int,
    ) -> tuple[list[int], list[float], list[float]]:
        """One row of the tables: successor, reward and discount of each action; -1 is the end."""
        successors, gains, discounts = [0] * num_actions, [-np.inf] * num_actions, [0.0] * num_actions
        for action, outcome in options(kitchen, state):
            gains[action], discounts[action] = rewards.discounted(outcome.events, gamma)
            successors[action] = -1 if dynamics.is_over(outcome) else self._number(outcome.state)
        return successors, gains, discounts

    def _number(self, state: State) -> int:
        number = self.index.setdefault(state, len(self.states))
        if number == len(self.states):
            self.states.append(state)
        return number

    def best(self, state: State) -> tuple[int, ...]:
        """All best actions in a state, in order."""
        values = self.q[self.index[state]]
        return tuple(int(action) for action in np.flatnonzero(values >= values.max() - TIE))

    def value(self, state: State) -> float:
        """The best discounted return from a state on."""
        return float(self.q[self.index[state]].max())


def _action_values(
    successors: NDArray[np.int64],
    gains: Float[np.ndarray, "S A"],
    discounts: Float[np.ndarray, "S A"],
    first_guess: float,
) -> Float[np.ndarray, "S A"]:
    """The fixed point of the Bellman equation.

    From the value of doing nothing useful for ever, the sweeps are over when the longest best path is walked.
    The value of the end, which the successor -1 reads, is the extra last entry.
    """
    values = np.full(len(successors) + 1, first_guess)
    values[-1] = 0.0
    for _ in range(MAX_SWEEPS):
        q: NDArray[np.float64] = gains + discounts * values[successors]
        best = q.max(axis=1)
        change = np.abs(best - values[:-1]).max()
        values[:-1] = best
        if change < TOLERANCE:
            break
    return q


@lru_cache(maxsize=16)
def plan_from(kitchen: Kitchen, rewards: KitchenRewards, gamma: float, root: State, primitive: bool = False) -> Plan:
    """The plan for one configuration, made once."""
    return Plan(kitchen, rewards, gamma, root, primitive)


@runtime_checkable
class _KitchenEnvLike(Protocol):
    kitchen: Kitchen
    rewards: KitchenRewards
    gamma: float
    primitive: bool

    @property
    def state(self) -> State: ...

    def action_masks(self) -> NDArray[np.int8]: ...


class KitchenPlanner:
    """Acts as well as possible in one environment; the first call works out the plan.

    In the tomato kitchen and in layout A that takes at most seconds, with three vegetables in layout C about
    a minute.

    Args:
        env: the unwrapped environment, of which the true state is read.
    """

    def __init__(self, env: _KitchenEnvLike) -> None:
        self._env = env
        self._root = dynamics.start(env.kitchen)

    def act(self) -> int:
        """The best action in the environment's current state.

        Among equals it is one that is valid, and then the one with the lowest id. Where the salad cannot be
        made, waiting is as good as walking, so that equals may be many.
        """
        best = self.plan().best(self._env.state)
        mask = self._env.action_masks()
        return min(best, key=lambda action: (not mask[action], action))

    def plan(self) -> Plan:
        """The plan in force. A state that the usual beginning does not lead to begins a plan of its own."""
        env = self._env
        plan = plan_from(env.kitchen, env.rewards, env.gamma, self._root, env.primitive)
        if env.state in plan.index:
            return plan
        self._root = env.state
        return self.plan()
