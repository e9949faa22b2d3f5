"""Metrics for those who watch: TensorBoard always, Weights & Biases or trackio when asked for."""

import importlib
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from twosome.config import TrainConfig
from twosome.errors import MissingExtraError, RunError, quote
from twosome.run_files import explain_write_errors, read_json, write_json

TRACKING = "tracking.json"
_ID = re.compile(r"[0-9a-f]{8}")
_TEXTS = 20
"""Episodes in words of a whole run."""
_MOST_BINS = 64


@dataclass(frozen=True)
class Acted:
    """How the policy acted in an update.

    Attributes:
        actions: id of each decision's action.
        probabilities: that the policy gave it.
        episode: of decisions in one environment, one after the other, what was read, done, how probably, and earned.
    """

    actions: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    episode: Sequence[tuple[str, str, float, float]]

    def histograms(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Counts and edges of the actions, a bin for each id unless they are many, and of their probabilities."""
        ids = int(self.actions.max()) + 1
        edges = {
            "policy/actions": np.linspace(-0.5, ids - 0.5, min(ids, _MOST_BINS) + 1),
            "policy/probability of the action": np.linspace(0, 1, 21),
        }
        values = (self.actions, self.probabilities)
        return {name: np.histogram(x, bins=bins) for (name, bins), x in zip(edges.items(), values, strict=True)}

    def text(self) -> str:
        """The episode as Markdown that shows every text as it is."""
        lines = [
            line
            for prompt, action, probability, reward in self.episode
            for line in (*prompt.splitlines(), f"-> {action} ({probability:.0%}), reward {reward:g}", "")
        ]
        return "\n".join(f"    {line}" for line in lines)


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
        self._text_every = max(1, config.num_updates // _TEXTS) * config.batch_size
        self._service = _start_service(path, config)
        # It follows a link that has the name of its file, so nobody may know the name beforehand.
        suffix = f".{secrets.token_hex(8)}"
        self._writer = SummaryWriter(str(path), purge_step=update * config.batch_size + 1, filename_suffix=suffix)
        with explain_write_errors(path):
            self._write_settings(config.to_json())

    def _write_settings(self, settings: dict[str, Any]) -> None:
        """For the tab of hyperparameters: runs in a table, with what they came to."""
        plain = {
            name: value if isinstance(value, (bool, int, float, str)) else json.dumps(value)
            for name, value in settings.items()
            if value is not None
        }
        results = {"episode/return_mean": None, "episode/success_rate": None}
        for summary in hparams(plain, results):  # type: ignore[no-untyped-call]
            self._writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]

    def log(self, metrics: dict[str, Any]) -> None:
        """Record one update; steps are counted in decisions."""
        step = metrics["decisions"]
        numbers = {name: value for name, value in metrics.items() if isinstance(value, (int, float))}
        with explain_write_errors(self._path):
            for name, value in numbers.items():
                self._writer.add_scalar(_group(name), value, step)
        if self._service is not None:
            self._service.log(numbers, step=step)

    def log_acted(self, step: int, acted: Acted) -> None:
        """Record how the policy acted in the update after so many decisions; now and then an episode in words."""
        worded = step % self._text_every == 0
        histograms = acted.histograms()
        with explain_write_errors(self._path):
            for name, (counts, edges) in histograms.items():
                middles = (edges[:-1] + edges[1:]) / 2
                self._writer.add_histogram(name, np.repeat(middles, counts), step, bins=edges)
            if worded:
                self._writer.add_text("episode/text", acted.text(), step)
        if self._service is not None:
            shown = {name: self._service.Histogram(np_histogram=found) for name, found in histograms.items()}
            if worded:
                columns = ["prompt", "action", "probability", "reward"]
                shown["episode/text"] = self._service.Table(columns=columns, data=[list(row) for row in acted.episode])
            self._service.log(shown, step=step)

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
    if "/" in name:
        return name  # of one environment of several, which it begins with
    if name.endswith("_s"):
        return f"seconds/{name[:-2]}"
    if name in {"return_mean", "success_rate", "length_mean"}:
        return f"episode/{name}"
    return f"train/{name}"
