"""GoToLocal of MiniGrid (BabyAI), told in words; needs the extra `minigrid`."""

from collections import deque
from contextlib import redirect_stdout
from io import StringIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosome.envs.arguments import check_whole
from twosome.envs.base import EnvObservation, env_observation
from twosome.envs.gym.wrapped import WrappedTextEnv, make_inner
from twosome.envs.text import Planner
from twosome.extras import require_package

EXTRA = "minigrid"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"MiniGridGoToLocal": ("GoToLocalEnv", {})}
LEFT, RIGHT, FORWARD = range(3)


class GoToLocalEnv(WrappedTextEnv):
    """Go to one of several things in a room.

    ## Description
    `BabyAI-GoToLocal-v0` of MiniGrid in words: a room of six by six cells with eight things, of which one is wanted.
    The prompt says in which direction the nearest such thing lies, in sight or not, and which ways are free. Where
    that is all, no rule without memory finds around every obstacle, but nearly.

    ## Action Space
    `Discrete(3)`: turn left, turn right, walk ahead; MiniGrid's other actions are of no use here. Walking is valid
    where the way ahead is free.

    ## Observation Space
    A `Dict`: `"prompt"`, `"actions"`, and `"vector"`, 0 or 1: the thing lies ahead, behind, to the left, to the right;
    the way is free ahead, to the left, to the right.

    ## Rewards
    MiniGrid's: at the thing 1 - 0.9 x (steps / 64), else 0. `gamma` is 0.99.

    ## Starting State
    Drawn: the things, the one that is wanted, and where one stands.

    ## Episode End
    Terminated when one stands before the thing, truncated after 64 steps.

    ## Arguments

    Args:
        room_size: cells along a side, with the walls.
        num_things: things in the room.
        render_mode: "rgb_array" or None.

    Raises:
        MissingExtraError: MiniGrid is not installed.

    ## Version History
    - v0: the first.
    """

    action_names = ("turn left", "turn right", "walk ahead")

    def __init__(self, room_size: int = 8, num_things: int = 8, render_mode: str | None = None) -> None:
        check_whole("room_size", room_size, 5, default=8)
        check_whole("num_things", num_things, 1, default=8)
        require_package("minigrid", EXTRA, "MiniGridGoToLocal")
        import minigrid  # noqa: F401 - registers the environment

        inner = make_inner("BabyAI-GoToLocal-v0", render_mode, EXTRA, room_size=room_size, num_dists=num_things)
        super().__init__(inner, 7, None)

    def planner(self) -> Planner:
        """Takes a shortest way."""
        return _Planner(self._inner)

    def _begin(self) -> None:
        with redirect_stdout(StringIO()):  # MiniGrid prints each room that it draws in vain
            super()._begin()

    def _observe(self) -> EnvObservation:
        env = self._inner
        wanted, middle, last = env.instrs.desc, env.agent_view_size // 2, env.agent_view_size - 1
        seen_at = [env.get_view_coords(*at) for at in wanted.obj_poss]
        ahead, right = min(
            ((last - y, x - middle) for x, y in seen_at), key=lambda place: (abs(place[0]) + abs(place[1]), place)
        )
        lies = {"ahead": ahead > 0, "behind": ahead < 0, "to the left": right < 0, "to the right": right > 0}
        here, front, side = (np.array(at) for at in (env.agent_pos, env.dir_vec, env.right_vec))
        next_to = {"ahead": here + front, "to the left": here - side, "to the right": here + side}
        free = {name: self._is_free(at) for name, at in next_to.items()}
        ways = " and ".join(name for name, holds in free.items() if holds)
        where = " and ".join(name for name, holds in lies.items() if holds)
        prompt = (
            f"You want to go to the {wanted.color} {wanted.type}. {f'The way {ways}' if ways else 'No way'} is free. "
            f"It is {where}. Now you"
        )
        left, turn_right, forward = self.action_names
        vector = np.array([*lies.values(), *free.values()], np.float32)
        return env_observation(vector, prompt, (left, turn_right, forward if free["ahead"] else ""))

    def _is_free(self, at: NDArray[np.int64]) -> bool:
        """Whether a cell is empty, or has a thing that is wanted."""
        wanted = self._inner.instrs.desc.obj_poss
        return self._inner.grid.get(*at) is None or any(np.array_equal(at, thing) for thing in wanted)


class _Planner:
    """Searches in breadth over place and direction."""

    def __init__(self, env: Any) -> None:
        self._env = env

    def act(self) -> int:
        from minigrid.core.constants import DIR_TO_VEC

        grid, goals = self._env.grid, {tuple(map(int, at)) for at in self._env.instrs.desc.obj_poss}
        start = (*map(int, self._env.agent_pos), int(self._env.agent_dir))
        queue, met = deque([(start, -1)]), {start}
        while queue:
            (x, y, direction), first = queue.popleft()
            front = (x + int(DIR_TO_VEC[direction][0]), y + int(DIR_TO_VEC[direction][1]))
            if front in goals:
                return FORWARD if first == -1 else first
            ways = {LEFT: (x, y, (direction - 1) % 4), RIGHT: (x, y, (direction + 1) % 4)}
            if grid.get(*front) is None:
                ways[FORWARD] = (*front, direction)
            for action, after in ways.items():
                if after not in met:
                    met.add(after)
                    queue.append((after, action if first == -1 else first))
        return FORWARD
