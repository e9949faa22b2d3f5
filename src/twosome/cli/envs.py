"""`twosome envs`: list the environments."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.table import Table

from twosome.cli.parse import parse
from twosome.console import plain_console


@dataclass(frozen=True)
class Envs:
    """List the environments that come with twosome. Each is a Gymnasium environment: gymnasium.make("twosome/...").

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

    envs = text.list_envs()
    if options.json:
        print(json.dumps([asdict(env) for env in envs]))  # noqa: T201 - the document is the output
        return 0
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("id", "actions", "gamma", "what is to be done"):
        numbers = name in {"actions", "gamma"}
        table.add_column(name, justify="right" if numbers else "left", no_wrap=name != "what is to be done")
    for env in envs:
        num_actions = "any" if env.num_actions is None else str(env.num_actions)
        table.add_row(env.id, num_actions, str(env.gamma), env.description)
    plain_console().print(table)
    return 0
