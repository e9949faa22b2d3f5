"""What belongs to the process of a command, and to no caller of `main`: its signals, standard streams and warnings.

Output that cannot be written never ends what is under way. It is dropped, and at its end the command says so.
"""

import codecs
import errno
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any, TextIO, cast

from twosome.errors import visible
from twosome.ppo.interrupt import end_at_once_with, ending_at_signals

_PLAINER = {
    **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼┏┓┗┛┡┩╇╈╞╡╪", "+"),
    **dict.fromkeys("─━╌╍═", "-"),
    **dict.fromkeys("│┃║", "|"),
    "…": "...",
    "±": "+/-",
    "×": "x",
    "–": "-",
    "•": "*",
}
"""What stands for a character that an output's encoding lacks; others are written as escapes."""


def as_process(command: Callable[[], int]) -> int:
    """Run a command as what this process is for; returns its exit code, or 1 if its output got lost."""
    output, errors = _open_streams()
    warnings.showwarning = _show_warning
    with ending_at_signals(_last_words):
        try:
            code = command()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    output.flush()
    errors.flush()
    lost = output.lost
    if lost is not None and not isinstance(lost, BrokenPipeError):
        # A reader that goes away, as in `twosome envs | head -1`, has that right.
        complain(f"standard output could not be written: {lost.strerror or lost}. What was to be read there is lost.")
        code = code or 1
    for stream in (output, errors):
        stream.give_up_if_lost()
    end_at_once_with(code)
    return code


def complain(message: str) -> None:
    """One line on standard error, in which nothing steers the terminal."""
    print(f"twosome: {visible(message)}", file=sys.stderr)  # noqa: T201 - errors go to standard error


class Output:
    """A standard stream that takes everything: what its encoding lacks is spelled, what it cannot write is dropped.

    Attributes:
        lost: why something was dropped; None if nothing was.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self.lost: OSError | None = None
        self._closed = stream is None
        self._stream = open(os.devnull, "w") if stream is None else stream  # noqa: SIM115 - as long as the process
        if hasattr(self._stream, "reconfigure"):
            self._stream.reconfigure(errors="twosome.spelled")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write, or remember why not."""
        if self._closed and self.lost is None:
            self.lost = OSError(errno.EBADF, "it is closed")
        if self.lost is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self.lost = error
        return len(text)

    def flush(self) -> None:
        """Flush, or remember why not."""
        if self.lost is None:
            try:
                self._stream.flush()
            except OSError as error:
                self.lost = error

    def give_up_if_lost(self) -> None:
        """Let what is still buffered vanish, or Python would try once more at its end, and complain."""
        if self.lost is not None and not self._closed:
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


def _open_streams() -> tuple[Output, Output]:
    """Standard output and error, made safe."""
    _occupy_standard_descriptors()
    codecs.register_error("twosome.spelled", _spelled)
    output, errors = Output(sys.stdout), Output(sys.stderr)
    sys.stdout, sys.stderr = cast(TextIO, output), cast(TextIO, errors)
    return output, errors


def _occupy_standard_descriptors() -> None:
    """Let no file that is opened later get the number of a standard stream that is closed: others write to numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) < 3:
        pass
    os.close(descriptor)


def _spelled(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAINER.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text), error.end


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """What is wrong, without the place in our code, which helps no user."""
    complain(f"warning: {message}")


def _last_words(message: str) -> None:
    """Complain where nothing may be relied on: not on Python's streams, nor that the cursor is visible."""
    shown = "\x1b[?25h\n" if sys.stderr.isatty() else ""
    os.write(2, f"{shown}twosome: {message}\n".encode())
