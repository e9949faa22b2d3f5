"""What the TOML files of this folder declare: for each marked place what stands there."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.pages.goals import goals
from benchmarks.pages.selection import Selection
from benchmarks.pages.tables import tables
from twosome.documents import parse_toml

FOLDER = Path(__file__).parent


def declared() -> dict[str, Callable[[], str]]:
    """For the name of each marked place what makes its Markdown."""
    found: dict[str, Callable[[], str]] = {}
    for file in sorted(FOLDER.glob("*.toml")):
        for name, table in parse_toml(file.read_text()).items():
            if name in found:
                raise SystemExit(f"{file.name} declares {name}, as another file does; expected each name once.")
            found[name] = partial(_made, table)
    return found


def _made(table: dict[str, Any]) -> str:
    made = goals if "goals" in table else tables
    return made(Selection(table["results"]), table)
