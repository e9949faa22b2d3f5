"""`twosome envs`: list the worlds."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from twosome.cli.parse import parse
from twosome.console import plain_console


@dataclass(frozen=True)
class Envs:
    """List the worlds that come with twosome. Each is a Gymnasium environment: gymnasium.make("twosome/...").

    Examples:
        twosome envs
        twosome envs --json
    """

    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, look up, print."""
    options = parse(Envs, "envs", arguments)
    from twosome.envs import text

    worlds = text.list_envs()
    if options.json:
        print(json.dumps([asdict(world) for world in worlds]))  # noqa: T201 - the document is the output
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "actions", "gamma", "what is to be done"):
        numbers = name in {"actions", "gamma"}
        table.add_column(name, justify="right" if numbers else "left", no_wrap=name != "what is to be done")
    for world in worlds:
        table.add_row(world.id, str(world.num_actions), str(world.gamma), world.description)
    plain_console().print(table)
    return 0
