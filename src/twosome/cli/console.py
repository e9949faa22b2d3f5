"""The terminal, for text that comes from users: names, paths and prompts are printed as they are."""

from typing import IO

from rich.console import Console


def plain_console(*, stderr: bool = False, quiet: bool = False, file: IO[str] | None = None) -> Console:
    """A console on which `[bold]` and `:smile:` are text like any other."""
    return Console(stderr=stderr, quiet=quiet, file=file, highlight=False, markup=False, emoji=False)


def announce(message: str, *, quiet: bool) -> None:
    """Say at once what is about to take a while, on standard error; nothing if quiet."""
    plain_console(stderr=True, quiet=quiet).print(message, style="dim", soft_wrap=True)
