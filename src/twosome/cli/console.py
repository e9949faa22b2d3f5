"""The terminal, for text that comes from users: names, paths and prompts are printed as they are."""

from typing import IO, Any

from rich.console import Console
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
