"""Ctrl-C, and the signals by which a system ends a process: what is under way ends well, and the exit code says why."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what SLURM, Docker and `kill` send; what is sent when a terminal closes."""

PATIENCE_S = 5.0
"""How long an update that is to be the last one may wait for an answer of an environment."""
_LOOK_EVERY_S = 0.25

Handler = Callable[[int, FrameType | None], Any]


class Interrupted(KeyboardInterrupt):
    """A signal asked this process to end.

    Attributes:
        number: of the signal.
    """

    def __init__(self, message: str = "", number: int = signal.SIGINT) -> None:
        super().__init__(message)
        self.number = number


class BrokenOff(Interrupted):
    """A signal asked this process to end, and what was under way kept it waiting too long."""


class Interruption:
    """Whether a signal has asked to end, and which."""

    number: int | None = None

    def is_set(self) -> bool:
        """Whether there was one."""
        return self.number is not None


@contextmanager
def interruptible(
    *, alone: bool, is_stuck: Callable[[float], bool] = lambda patience_s: False
) -> Iterator[Interruption]:
    """What the first ending signal sets, so that the update under way can end; a second one stops at once.

    Among ranks there is no second one: launchers pass on the same Ctrl-C, some twice, and know how to kill.

    Args:
        alone: there are no other ranks.
        is_stuck: whether the update has been waiting for something for so many seconds. Then, after the first signal,
            `BrokenOff` is raised.
    """
    interruption = Interruption()

    def handle(number: int, _frame: FrameType | None) -> None:
        interruption.number = number
        if alone:
            _restore(previous)
            stack.enter_context(_looking_in_between(look))

    def look(_number: int, _frame: FrameType | None) -> None:
        if is_stuck(PATIENCE_S):
            raise BrokenOff(number=interruption.number or signal.SIGINT)

    previous = _handle_all(handle)
    with ExitStack() as stack:
        stack.callback(_restore, previous)
        yield interruption


@contextmanager
def ending_at_signals(say: Callable[[str], None]) -> Iterator[None]:
    """For the process of a command: an ending signal raises `Interrupted`.

    It ends the process at once where that exception would get lost: while a module is imported, whose callbacks swallow
    it, and when it is the second one.

    Args:
        say: prints a line as the process ends at once.
    """
    seen = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if len(seen) > 1 or _is_importing(frame):
            say(in_words(number))
            os._exit(exit_code(number))
        raise Interrupted(number=number)

    previous = _handle_all(handle)
    try:
        yield
    finally:
        _restore(previous)


def end_at_once_with(code: int) -> None:
    """From now on an ending signal ends the process with this code: its work is done."""
    _handle_all(lambda _number, _frame: os._exit(code))


def exit_code(number: int) -> int:
    """As shells have it: 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP."""
    return 128 + number


def in_words(number: int) -> str:
    """What has happened to a process that a signal ends."""
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


@contextmanager
def _looking_in_between(look: Handler) -> Iterator[None]:
    """Call something again and again from the main thread, also while it waits; on systems that have such an alarm."""
    if not hasattr(signal, "setitimer"):
        yield
        return
    previous = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, _LOOK_EVERY_S, _LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def _handle_all(handler: Handler) -> dict[int, Any]:
    """Handle the ending signals; returns what handled them before. Only a main thread can.

    What nohup ignores stays ignored. Ctrl-C does not: shells ignore it for whatever they start in the background.
    """
    if threading.current_thread() is not threading.main_thread():
        return {}
    heard = [n for n in ENDING if n == signal.SIGINT or signal.getsignal(n) is not signal.SIG_IGN]
    return {number: signal.signal(number, handler) for number in heard}


def _restore(handlers: dict[int, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
