"""What the TOML files of this folder declare: for each marked place what stands there."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.pages.goals import goals
from benchmarks.pages.selection import Selection
from benchmarks.pages.tables import tables
from twosome.documents import parse_toml


def declared() -> dict[str, Mapping[str, Any]]:
    """The declaration of each marked place, by name."""
    found: dict[str, Mapping[str, Any]] = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        for name, table in parse_toml(file.read_text()).items():
            if name in found:
                raise SystemExit(f"{file.name} declares {name}, as another file does; expected each name once.")
            found[name] = table
    return found


def made(table: Mapping[str, Any]) -> str:
    """The Markdown of a declaration."""
    return (goals if "goals" in table else tables)(Selection(table["results"]), table)
