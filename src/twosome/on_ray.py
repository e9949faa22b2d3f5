"""Work on the workers of a Ray cluster, started anew when one of them is lost."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from twosome.errors import MissingExtraError, RankError

MAX_FAILURES = 3
"""How often the work is started anew before Ray gives up."""


def run_on_ray(work: Callable[[], None], num_workers: int, path: Path) -> None:
    """Let workers of a Ray cluster do some work together, as ranks of one process group.

    When a worker is lost, all are started anew: the work has to find by itself where it stood. It runs in the folder
    that this process runs in, so the folder has to be on a file system that all machines share.

    Args:
        work: done by each worker; travels to them as a pickle, by reference where it can be imported.
        num_workers: how many; each gets a GPU where this machine has one.
        path: Ray keeps its own notes beside it, in a folder of that name with `.ray` behind it.

    Raises:
        MissingExtraError: Ray is not installed.
        RankError: the work failed more often than `MAX_FAILURES`.
    """
    train, ray_torch = _ray()
    use_gpu = torch.cuda.is_available()
    trainer = ray_torch.TorchTrainer(
        _Work(work, Path.cwd()),
        # As `process_group` would do: Python objects travel between CPUs, gradients between GPUs.
        torch_config=ray_torch.TorchConfig(backend="cpu:gloo,cuda:nccl" if use_gpu else "gloo"),
        scaling_config=train.ScalingConfig(num_workers=num_workers, use_gpu=use_gpu),
        run_config=train.RunConfig(
            name=f"{path.name}.ray",
            storage_path=str(path.absolute().parent),
            failure_config=train.FailureConfig(max_failures=MAX_FAILURES),
        ),
    )
    try:
        trainer.fit()
    except train.TrainingFailedError as error:
        raise RankError(f"the workers failed more than {MAX_FAILURES} times; at last: {error}") from error


class _Work:
    """A function of no arguments that works in the folder where it was made, and finds modules there."""

    def __init__(self, work: Callable[[], None], folder: Path) -> None:
        self._work = work
        self._folder = folder

    def __call__(self) -> None:
        os.chdir(self._folder)
        sys.path.append(str(self._folder))
        self._work()


def _ray() -> tuple[Any, Any]:
    try:
        import ray.train
        import ray.train.torch
    except ImportError as error:
        raise MissingExtraError(
            "--ray-workers needs Ray, which is not installed: pip install 'twosome[ray]'"
        ) from error
    return ray.train, ray.train.torch
