"""Metrics for those who watch: TensorBoard always, Weights & Biases or trackio when asked for."""

import importlib
import os
import re
import secrets
from pathlib import Path
from types import TracebackType
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from twosome.config import TrainConfig
from twosome.errors import MissingExtraError, RunError, quote
from twosome.run_files import explain_write_errors, read_json, write_json

TRACKING = "tracking.json"
_ID = re.compile(r"[0-9a-f]{8}")


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
        # It follows a link that has the name of its file, so nobody may know the name beforehand.
        suffix = f".{secrets.token_hex(8)}"
        self._writer = SummaryWriter(str(path), purge_step=update * config.batch_size + 1, filename_suffix=suffix)

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
    known = _known_as(path)
    # One run there for one here, however often it is resumed. trackio knows runs by their names alone.
    identity = {"name": path.name, "id": known} if config.track == "wandb" else {"name": f"{path.name}-{known}"}
    service.init(project="twosome", **identity, resume="allow", config=config.to_json())
    return service


def _known_as(path: Path) -> str:
    """What a run is called at tracking services: drawn when it begins, and kept in its folder."""
    file = path / TRACKING
    if not os.path.lexists(file):
        with explain_write_errors(path):
            write_json(file, {"id": secrets.token_hex(4)})
    known = read_json(file).get("id")
    if not isinstance(known, str) or not _ID.fullmatch(known):
        raise RunError(
            f"{file} is damaged: its id is {quote(known)}; expected 8 hexadecimal digits. Delete it to report to a new "
            "run of the service."
        )
    return known


def _group(name: str) -> str:
    if name.endswith("_s"):
        return f"seconds/{name[:-2]}"
    if name in {"return_mean", "success_rate", "length_mean"}:
        return f"episode/{name}"
    return f"train/{name}"
