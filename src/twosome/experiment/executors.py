"""Many runs at once: over the cores of this machine, or over a Ray cluster."""

import importlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from typing import Any, TypeAlias

from twosome.errors import MissingExtraError
from twosome.experiment.grid import Cell, Reference
from twosome.experiment.work import TaskResult, Worker, carry_out
from twosome.trust import granted

Task: TypeAlias = Cell | Reference
Events: TypeAlias = Iterator[tuple[Task, TaskResult] | None]
"""Each task with its outcome when it has ended; None now and then meanwhile, so that progress can be shown."""

TICK_S = 0.5
SAVING_S = 60
"""How long runs on a cluster may take to save when the experiment is interrupted."""


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_parallel(tasks: Sequence[Task]) -> int:
    """As many runs as there are cores for their threads, and at least one."""
    return max(1, cores() // max((task.threads for task in tasks), default=1))


def over_cores(tasks: Sequence[Task], parallel: int) -> Events:
    """Carry out tasks, so many side by side. Closing the iterator lets those under way save and end."""
    worker = Worker(granted())
    pool = ThreadPoolExecutor(parallel)
    try:
        futures = {pool.submit(worker.carry_out, task): task for task in tasks}
        waiting = set(futures)
        while waiting:
            ended, waiting = wait(waiting, timeout=TICK_S, return_when=FIRST_COMPLETED)
            yield from ((futures[future], future.result()) for future in ended)
            yield None
    finally:
        worker.interrupt()
        pool.shutdown(wait=True, cancel_futures=True)


def over_ray(tasks: Sequence[Task], gpus: float) -> Events:
    """Carry out tasks on a Ray cluster, whose machines see the same folders; on this one if there is no cluster.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    ray = _ray()
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False)
    remote = ray.remote(carry_out)
    # A task is tried again after its machine was lost: it goes on where the run stood.
    pending = {
        remote.options(num_cpus=task.threads, num_gpus=gpus, max_retries=3).remote(task, granted()): task
        for task in tasks
    }
    try:
        while pending:
            for ended in ray.wait(list(pending), timeout=TICK_S)[0]:
                yield pending.pop(ended), _outcome(ray, ended)
            yield None
    finally:
        for unfinished in pending:
            ray.cancel(unfinished)
        if pending:
            ray.wait(list(pending), num_returns=len(pending), timeout=SAVING_S)
        if started:
            ray.shutdown()


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise MissingExtraError("--ray needs the package ray: pip install 'twosome[ray]'") from error


def _outcome(ray: Any, ended: Any) -> TaskResult:
    try:
        outcome: TaskResult = ray.get(ended)
    except ray.exceptions.RayError as error:
        return TaskResult("failed", f"Ray could not carry it out: {error}")
    return outcome
