"""The terminal, for text that comes from users: names, paths and prompts are printed as they are."""

from collections.abc import Iterator, Sequence
from typing import IO, Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from twosome.errors import visible


class PlainConsole(Console):
    """A console for which texts are texts: no markup, no emoji by name, and nothing in them steers the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """As Rich does, of the visible text."""
        return super().render_str(visible(text), **options)


def plain_console(*, stderr: bool = False, quiet: bool = False, file: IO[str] | None = None) -> PlainConsole:
    """A console on which `[bold]`, `:smile:` and control characters are text like any other."""
    return PlainConsole(stderr=stderr, quiet=quiet, file=file, highlight=False, markup=False, emoji=False)


def announce(message: str, *, quiet: bool) -> None:
    """Say at once what is about to take a while, on standard error; nothing if quiet."""
    plain_console(stderr=True, quiet=quiet).print(message, style="dim", soft_wrap=True)


class Name:
    """A cell of a table with a name, which gives way to the numbers beside it: it is shortened in its middle.

    The columns of the numbers have to be `no_wrap`, its own not.
    """

    def __init__(self, name: str) -> None:
        self._name = visible(name)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        size = cell_len(self._name)
        return Measurement(min(size, 8), size)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        # What follows a comma, as in "my-model, untrained", tells names apart.
        name, comma, rest = self._name.rpartition(", ")
        kept = comma + rest if len(comma + rest) < options.max_width else ""
        name = self._name.removesuffix(kept)
        yield Text(shortened(name, options.max_width - cell_len(kept)) + kept, no_wrap=True)


def shortened(text: str, width: int) -> str:
    """At most so many columns of a text; what is left out is in its middle.

    >>> shortened("/home/somebody/models/hearth, untrained", 24)
    '/home/somebo…, untrained'
    """
    if cell_len(text) <= width:
        return text
    head, tail = list(text), list[str]()
    while head and cell_len("".join(tail)) + cell_len(head[-1]) <= (width - 1) // 2:
        tail.insert(0, head.pop())
    while head and cell_len("".join([*head, "…", *tail])) > width:
        head.pop()
    return "".join([*head, "…", *tail])


def measured_row(values: dict[str, str], width: int) -> list[Table]:
    """Named numbers side by side under their names, in as many tables as the width makes necessary."""
    rows: list[list[str]] = [[]]
    for name in values:
        if rows[-1] and _columns(values, [*rows[-1], name]) > width:
            rows.append([])
        rows[-1].append(name)
    return [_numbers(values, names) for names in rows]


def _columns(values: dict[str, str], names: Sequence[str]) -> int:
    return sum(max(cell_len(name), cell_len(values[name])) + 2 for name in names)


def _numbers(values: dict[str, str], names: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(name, style="bold", header_style="dim", justify="right", no_wrap=True)
    table.add_row(*(values[name] for name in names))
    return table
