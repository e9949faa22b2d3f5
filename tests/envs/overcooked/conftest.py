"""Recorded episodes, and everything that can be reached in a kitchen."""

import gzip
import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from twosome.envs.overcooked import dynamics
from twosome.envs.overcooked.layout import FOOD_STARTS, Kitchen, make_kitchen
from twosome.envs.overcooked.oracle import Plan
from twosome.envs.overcooked.rewards import KitchenRewards
from twosome.envs.overcooked.view import View, perceive

TRACES = sorted((Path(__file__).parents[2] / "traces").glob("overcooked_*.jsonl.gz"))


def read_trace(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        yield from map(json.loads, lines)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trace" in metafunc.fixturenames:
        metafunc.parametrize("trace", TRACES, ids=[path.name.split(".")[0] for path in TRACES], indirect=True)


@pytest.fixture
def trace(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """All episodes of one file."""
    episodes = list(read_trace(request.param))
    assert episodes
    return episodes


class Explored(NamedTuple):
    kitchen: Kitchen
    plan: Plan
    by_view: dict[View, list[dynamics.State]]


@lru_cache(maxsize=16)
def _explore(num_foods: int, task: str, layout: str) -> Explored:
    kitchen = make_kitchen(tuple(FOOD_STARTS)[:num_foods], task, layout)
    plan = Plan(kitchen, KitchenRewards(), 0.99, dynamics.start(kitchen))
    by_view: dict[View, list[dynamics.State]] = {}
    for state in plan.states:
        by_view.setdefault(perceive(kitchen, state), []).append(state)
    return Explored(kitchen, plan, by_view)


@pytest.fixture(scope="session")
def explore() -> Callable[[int, str, str], Explored]:
    """All states that can be reached in a kitchen, with the best actions, by view."""
    return _explore
