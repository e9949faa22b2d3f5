"""The terminal, for text that comes from users: names, paths and prompts are printed as they are."""

from rich.console import Console


def plain_console() -> Console:
    """A console on which `[bold]` and `:smile:` are text like any other."""
    return Console(highlight=False, markup=False, emoji=False)
