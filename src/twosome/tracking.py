"""Metrics for those who watch: TensorBoard always, Weights & Biases or trackio when asked for."""

import importlib
from pathlib import Path
from types import TracebackType
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from twosome.config import TrainConfig
from twosome.errors import MissingExtraError
from twosome.runs import explain_write_errors


class Tracker:
    """Writes each update's metrics to every place that was asked for; a context manager.

    Args:
        path: the run directory, where TensorBoard's event files go.
        config: the settings, which name a tracking service or none.
        update: updates made so far; TensorBoard drops what an interrupted run wrote after them.

    Raises:
        MissingExtraError: the service's package is not installed.
    """

    def __init__(self, path: Path, config: TrainConfig, update: int) -> None:
        self._path = path
        self._service = _start_service(path, config)
        self._writer = SummaryWriter(str(path), purge_step=update * config.batch_size + 1)

    def log(self, metrics: dict[str, Any]) -> None:
        """Record one update; steps are counted in decisions."""
        step = metrics["decisions"]
        numbers = {name: value for name, value in metrics.items() if isinstance(value, (int, float))}
        with explain_write_errors(self._path):
            for name, value in numbers.items():
                self._writer.add_scalar(_group(name), value, step)
        if self._service is not None:
            self._service.log(numbers, step=step)

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with explain_write_errors(self._path):
            self._writer.close()
        if self._service is not None:
            self._service.finish()


def _start_service(path: Path, config: TrainConfig) -> Any:
    if config.track is None:
        return None
    try:
        service = importlib.import_module(config.track)
    except ImportError as error:
        raise MissingExtraError(
            f"--track {config.track} needs the package {config.track}: pip install 'twosome[{config.track}]'"
        ) from error
    service.init(project="twosome", name=path.name, config=config.to_json())
    return service


def _group(name: str) -> str:
    if name.endswith("_s"):
        return f"seconds/{name[:-2]}"
    if name in {"return_mean", "success_rate", "length_mean"}:
        return f"episode/{name}"
    return f"train/{name}"
