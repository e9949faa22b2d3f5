"""Ctrl-C that lets the update under way end."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def interruptible(*, alone: bool) -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets, so that the update under way can end; a second one stops at once.

    Among ranks there is no second one: launchers pass on the same Ctrl-C, some twice, and know how to kill.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(_signal: int, _frame: Any) -> None:
        interrupted.set()
        if alone:
            signal.signal(signal.SIGINT, previous)

    previous = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
