"""The panels of tasks by their names, and how a result on one is read; what is in them says `unseen`."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

Panel = Literal["paper", "household", "kitchens"]

EPISODES: dict[Panel, int] = {"paper": 100, "household": 10, "kitchens": 100}
"""Episodes of each task, unless said otherwise; the 50 tasks of `household` make 500."""

SEED = 1000

ALL = "all tasks"


def rows(result: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What a table or picture of a result shows: names, each with the summary of every player."""
    if "kinds" in result:
        sizes = [task["kind"] for task in result["tasks"]]
        yield from ((f"{kind} ({sizes.count(kind)})", row) for kind, row in result["kinds"].items())
    else:
        yield from ((task["name"], task) for task in result["tasks"])
    yield (ALL, result["all"])
