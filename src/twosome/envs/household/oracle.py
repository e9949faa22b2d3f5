"""The exact planner: which actions are on a shortest way to success, from every state that can be reached.

Success is the only reward and each step discounts it by the same factor, so the shortest way is the best one
and breadth-first search over the reachable states solves the task; there are at most a few thousand of them.
"""

from collections import deque
from collections.abc import Callable, Iterator

from twosome.envs.household.dynamics import carry_out
from twosome.envs.household.graph import State, start_state
from twosome.envs.household.tasks import Task, is_success
from twosome.envs.household.view import perceive, sensible
from twosome.errors import ConfigError

MAX_STATES = 200_000


class Plan:
    """Distances to success from every state that any sequence of actions can reach from the start.

    Args:
        task: the task to solve.
        valid_only: False to walk all actions of the action space, True only those that are valid.

    Raises:
        ConfigError: the task has more than `MAX_STATES` reachable states.
    """

    def __init__(self, task: Task, valid_only: bool = False) -> None:
        self.task = task
        self.valid_only = valid_only
        self.start = start_state(task.scene)
        self.transitions: dict[State, tuple[State, ...]] = {}
        self.distances: dict[State, int] = {}
        self.extend(self.start)

    @property
    def states(self) -> tuple[State, ...]:
        """The reachable states in which an episode goes on, nearest to the start first."""
        return tuple(self.transitions)

    def extend(self, origin: State) -> None:
        """Add what can be reached from `origin`, and measure all distances again."""
        queue = deque([origin])
        while queue:
            state = queue.popleft()
            if state in self.transitions or is_success(self.task, state):
                continue
            self.transitions[state] = self._successors(state)
            queue.extend(self.transitions[state])
            if len(self.transitions) > MAX_STATES:
                raise ConfigError(
                    f"task {self.task.name!r}: expected at most {MAX_STATES} reachable states, found more; "
                    "take things or actions out of it."
                )
        self._measure()

    def _successors(self, state: State) -> tuple[State, ...]:
        scene = self.task.scene
        view = perceive(scene, state)
        return tuple(
            carry_out(scene, state, action) if not self.valid_only or sensible(scene, view, action) else state
            for action in self.task.actions
        )

    def _measure(self) -> None:
        parents: dict[State, list[State]] = {}
        for state, successors in self.transitions.items():
            for successor in successors:
                parents.setdefault(successor, []).append(state)
        self.distances = {state: 0 for state in parents if is_success(self.task, state)}
        queue = deque(self.distances)
        while queue:
            state = queue.popleft()
            for parent in parents.get(state, ()):
                if parent not in self.distances:
                    self.distances[parent] = self.distances[state] + 1
                    queue.append(parent)

    def distance(self, state: State) -> int | None:
        """Steps to success at best; None where success cannot be reached."""
        if state not in self.transitions and not is_success(self.task, state):
            self.extend(state)
        return 0 if is_success(self.task, state) else self.distances.get(state)

    def optimal_actions(self, state: State) -> tuple[int, ...]:
        """Ids of all actions that begin a shortest way to success; empty where there is none."""
        distance = self.distance(state)
        if not distance:
            return ()
        successors = self.transitions[state]
        return tuple(a for a, after in enumerate(successors) if self.distances.get(after) == distance - 1)

    def optimal_sequences(self, state: State | None = None) -> Iterator[tuple[int, ...]]:
        """Every shortest sequence of action ids from `state` (default: the start) to success."""
        state = self.start if state is None else state
        if self.distance(state) == 0:
            yield ()
        for action in self.optimal_actions(state):
            for rest in self.optimal_sequences(self.transitions[state][action]):
                yield (action, *rest)


def shortest(task: Task) -> tuple[int, ...]:
    """One shortest sequence of valid actions from the start to success; empty where there is none.

    Cheaper than a `Plan`: the search ends at the first success.
    """
    scene, start = task.scene, start_state(task.scene)
    ways: dict[State, tuple[int, ...]] = {start: ()}
    queue = deque([start])
    while queue:
        state = queue.popleft()
        view = perceive(scene, state)
        for number, action in enumerate(task.actions):
            after = carry_out(scene, state, action) if sensible(scene, view, action) else state
            if after not in ways:
                ways[after] = (*ways[state], number)
                if is_success(task, after):
                    return ways[after]
                queue.append(after)
    return ()


class Planner:
    """Acts for an environment: the first action of a shortest way from where it is now.

    Args:
        plan: gives the solved task that the environment plays now.
        current: gives the environment's state.
    """

    def __init__(self, plan: Callable[[], Plan], current: Callable[[], State]) -> None:
        self._plan = plan
        self._current = current

    def act(self) -> int:
        """The best action now; of several, the one with the lowest id.

        Raises:
            ConfigError: success cannot be reached from here.
        """
        best = self.optimal_actions()
        if not best:
            raise ConfigError(
                f"task {self._plan().task.name!r}: expected a state from which success can be reached, found "
                f"{self._current()}; reset the environment first."
            )
        return best[0]

    def optimal_actions(self) -> tuple[int, ...]:
        """All best actions now, in order of their ids."""
        return self._plan().optimal_actions(self._current())
