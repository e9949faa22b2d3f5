"""Processes of our own, started without the seconds that Python, and torchrun, take to import everything."""

import importlib
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


def begin_command(
    arguments: Sequence[str],
    output: Path | None,
    errors: Path | None,
    folder: Path | None = None,
    encoding: str = "utf-8",
) -> BaseProcess:
    """The command `twosome` with these arguments as what a process of its own is for.

    Args:
        arguments: of the command.
        output: file that is its standard output; None: it is closed.
        errors: file that is its standard error, possibly the same; None: it is closed.
        folder: where it runs; None: here.
        encoding: of both.
    """
    process = _CONTEXT.Process(
        target=_command, args=(arguments, (output, errors), folder or Path.cwd(), encoding), daemon=True
    )
    process.start()
    return process


def _command(arguments: Sequence[str], files: tuple[Path | None, Path | None], folder: Path, encoding: str) -> None:
    os.chdir(folder)
    for number, name, file in zip((1, 2), ("stdout", "stderr"), files, strict=True):
        stream = None
        if file is None:
            os.close(number)
        else:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            os.dup2(opened, number)
            os.close(opened)
            stream = open(number, "w", encoding=encoding, closefd=False)  # noqa: SIM115 - as long as the process
        setattr(sys, name, stream)
    sys.argv[1:] = arguments
    sys.exit(main())


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
    importlib.import_module("tests.environments")  # a server that something else began has not
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
