"""Several processes that train together, started without torchrun and its seconds of imports."""

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

_CONTEXT = multiprocessing.get_context("forkserver")
# Imported once by the server that all ranks are forked from.
_CONTEXT.set_forkserver_preload(["twosome.ppo.train", "tests.worlds"])


def on_ranks(function: Callable[..., Any], *arguments: Any, size: int = 2, timeout_s: float = 60) -> list[Any]:
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
    stuck = [process.kill() for process in processes if process.is_alive()]
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
