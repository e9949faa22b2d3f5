"""Processes of our own, started without the seconds that Python, and torchrun, take to import everything."""

import contextlib
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from twosome.cli import main

_CONTEXT = multiprocessing.get_context("forkserver")
# Imported once by the server that all processes are forked from.
_CONTEXT.set_forkserver_preload(["twosome.cli.train", "twosome.ppo.train", "tests.environments"])


def begin_command(arguments: Sequence[str], output: Path) -> BaseProcess:
    """The command `twosome` with these arguments in a process of its own; what it prints goes into a file."""
    process = _CONTEXT.Process(target=_command, args=(arguments, output))
    process.start()
    return process


def _command(arguments: Sequence[str], output: Path) -> None:
    with open(output, "w") as file, contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
        sys.exit(main(arguments))


def on_ranks(function: Callable[..., Any], *arguments: Any, size: int = 2, timeout_s: float = 180) -> list[Any]:
    """What the function returned on each rank; of an exception its name and message, of a dead rank its exit code."""
    port = _free_port()
    pipes = [_CONTEXT.Pipe() for _ in range(size)]
    processes = [
        _CONTEXT.Process(target=_rank, args=(rank, size, port, pipes[rank][1], function, arguments))
        for rank in range(size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout_s)
    stuck = [process for process in processes if process.is_alive()]
    for process in stuck:
        process.kill()
    assert not stuck, "a rank did not end"
    return [
        pipe[0].recv() if pipe[0].poll() else process.exitcode for pipe, process in zip(pipes, processes, strict=True)
    ]


def _rank(rank: int, size: int, port: int, pipe: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(size))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    try:
        pipe.send(function(*arguments))
    except (Exception, KeyboardInterrupt) as error:
        pipe.send((type(error).__name__, str(error)))


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
