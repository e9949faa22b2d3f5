"""What must hold of every input from outside: a result, or an error that a person can read and mend."""

import contextlib
import faulthandler
import io
import signal
import sys
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from hypothesis import event

from twosome import cli
from twosome.errors import TwosomeError

Result = TypeVar("Result")

LONGEST_MESSAGE = 1200
"""Characters of a paragraph that quotes a few foreign values, each in at most a line, and paths."""
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of characters that a terminal obeys, or that hide others."""
_HARMLESS = {"\n", "\t", "\u200c", "\u200d"}
_SECONDS = 10
_SECONDS_ASLEEP = 300
"""After which the process ends with a traceback of where it hung: nothing that is fuzzed waits for anything."""


class _TooSlow(BaseException):
    """Passes through whatever handles errors."""


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """At most ten seconds of work, counted in CPU time, so that a busy machine makes no failure."""

    def interrupt(*_: object) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, _SECONDS)
    faulthandler.dump_traceback_later(_SECONDS_ASLEEP, exit=True, file=sys.__stderr__)
    try:
        yield
    except _TooSlow:
        raise AssertionError(f"took more than {_SECONDS} s") from None
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGPROF, before)


def attempt(call: Callable[[], Result]) -> Result | TwosomeError:
    """What the call returns, or the error that it explains; any other exception, a hang and a riddle are failures."""
    try:
        with watched(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            result = call()
    except TwosomeError as error:
        assert_readable(str(error))
        event(f"refused: {type(error).__name__}")
        return error
    event("accepted")
    return result


def assert_readable(message: str) -> None:
    """One paragraph of a length that one reads, without anything that a terminal would obey."""
    assert message.strip(), "the message is empty"
    strange = {character for character in message if not character.isprintable()}
    assert not strange, f"{strange} in {message[:500]!r}"
    assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message[:200]} ..."


@dataclass(frozen=True)
class Ran:
    """A command that has run in this process."""

    code: int
    out: str
    err: str


def run_command(words: Sequence[str], encoding: str = "utf-8") -> Ran:
    """Run a command as a shell would, with outputs in an encoding; a traceback is a failure."""
    # A process of its own spells what its streams' encoding lacks.
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace") for _ in range(2))
    with watched(), warnings.catch_warnings(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        warnings.simplefilter("ignore")
        try:
            code: object = cli.main(words)
        except SystemExit as stop:
            code = 0 if stop.code is None else stop.code
    assert isinstance(code, int), code
    ran = Ran(code, *(_content(stream, encoding) for stream in (out, err)))
    assert ran.code in (0, 1, 2), ran.code
    event(f"exit code {ran.code}")
    if ran.code == 1:
        before, name, paragraph = ran.err.rpartition("twosome: ")
        assert name, ran.err[:500]
        assert paragraph.endswith("\n"), ran.err[:500]
        assert before.count("\n") <= 1, ran.err[:500]
        assert_readable(paragraph.removesuffix("\n"))
    for text in (ran.out, ran.err):
        steering = {character for character in text if unicodedata.category(character) in _STEERING} - _HARMLESS
        assert not steering, f"{steering} in {text[:500]!r}"
    return ran


def _content(stream: io.TextIOWrapper, encoding: str) -> str:
    stream.flush()
    buffer = stream.detach()
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(encoding)


def files_below(folder: Path) -> set[str]:
    """Names of all that is in a folder, at any depth."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
