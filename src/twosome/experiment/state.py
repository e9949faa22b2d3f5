"""What is there of a run already: nothing, a part, the training, everything."""

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from twosome import models
from twosome.baselines.config import BaselineConfig
from twosome.config import TrainConfig
from twosome.documents import parse_json
from twosome.envs import text
from twosome.errors import ConfigError, ModelError, RunError, TwosomeError, quote
from twosome.experiment.grid import Cell, Evaluation, Reference
from twosome.experiment.measurement import MEASUREMENTS, is_done
from twosome.experiment.settings import Config, recorded
from twosome.files import open_to_read, require_no_link
from twosome.run_files import CONFIG, read_json
from twosome.runs import EVALUATION, METRICS, UNTRAINED, RunDirectory

State: TypeAlias = Literal["new", "begun", "trained", "done"]
_TAIL_BYTES = 8192
"""More than a line of metrics takes."""


def state_of(task: Cell | Reference) -> State:
    """How far a run or a measurement has come."""
    if isinstance(task, Reference):
        return "done" if is_measured(task.path, task.evaluation, _environment(task)) else "new"
    if not os.path.isfile(task.path / CONFIG):
        return "new"
    # A baseline is measured in one go with its training: its networks are not kept.
    if isinstance(task.config, BaselineConfig):
        return "done" if is_measured(task.path / EVALUATION, task.evaluation) else "begun"
    if last_checkpoint(task.config) not in RunDirectory.open(task.path).checkpoints():
        return "begun"
    documents = [EVALUATION, *([UNTRAINED] if task.untrained else [])]
    measured = all(is_measured(task.path / name, task.evaluation) for name in documents)
    return "done" if measured and all(is_done(name, task.request) for name in task.also) else "trained"


def is_measured(path: Path, evaluation: Evaluation, environment: Mapping[str, Any] | None = None) -> bool:
    """Whether a document of `twosome eval` is there, whole, and of the episodes (and environment) asked for."""
    try:
        found = read_json(path)
    except RunError:
        return False
    asked = {**dataclasses.asdict(evaluation), **(environment or {})}
    return all(found.get(name) == value for name, value in asked.items())


def _environment(task: Reference) -> dict[str, Any]:
    # As it is read again: tuples have become lists.
    kwargs = json.loads(json.dumps(task.env_kwargs))
    return {"env": text.resolve(task.env), "env_kwargs": kwargs}


def budget(cell: Cell) -> int:
    """Decisions that a run makes: whole rollouts."""
    return cell.config.num_updates * cell.config.batch_size


def last_checkpoint(config: TrainConfig) -> str:
    """Name of the checkpoint that ends a run."""
    return RunDirectory.checkpoint_name(config.num_updates * config.batch_size)


def latest(path: Path) -> Mapping[str, Any]:
    """The last whole line of a run's metrics; empty where there is none yet, or it does not say how many decisions."""
    try:
        if not os.path.isfile(path / METRICS):
            return {}
        with open_to_read(path / METRICS) as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            lines = file.read().split(b"\n")[:-1]
        row = parse_json(lines[-1].decode())
    except (OSError, RunError, IndexError, ValueError):
        return {}
    return row if isinstance(row, dict) and isinstance(row.get("decisions"), int) else {}


def require_own_places(tasks: Iterable[Cell | Reference], output: Path) -> None:
    """Check that what an experiment writes stays below its folder, or raise RunError."""
    for task in tasks:
        for path in (task.path, task.path.with_suffix(".log"), task.path.with_suffix(".lock")):
            require_no_link(path, output)


def require_same_settings(cells: Iterable[Cell]) -> None:
    """Check that the runs which are there were made with the settings of the file, or raise ConfigError."""
    for cell in cells:
        if os.path.isfile(cell.path / CONFIG) and (other := first_difference(cell.path, cell.config)):
            name, was, now = other
            raise ConfigError(
                f"{cell.path} was made with {name} = {quote(was)}, and the file now says {quote(now)}. Choose another "
                "output or method name, or delete that folder."
            )


def require_models(cells: Iterable[Cell]) -> None:
    """Check that the models which are still needed are there, but for those on the Hugging Face Hub.

    Raises:
        ModelError: one is not.
    """
    for cell in cells:
        model = getattr(cell.config, "model", None)
        if model is not None and state_of(cell) != "done":
            try:
                models.locate(model)
            except ModelError as error:
                raise ModelError(f"{cell.method} on {cell.env}: {error}") from error


def require_measurable(cells: Iterable[Cell]) -> None:
    """Check that the further measurements which are still to be made can be made, or raise ConfigError."""
    for cell in cells:
        if isinstance(cell.config, TrainConfig) and cell.also and state_of(cell) != "done":
            for name in cell.also:
                try:
                    MEASUREMENTS.find(name).check(cell.config)
                except TwosomeError as error:
                    raise type(error)(f"{cell.method} on {cell.env}, also {quote(name)}: {error}") from error


def first_difference(path: Path, config: Config) -> tuple[str, Any, Any] | None:
    """A setting that a run was not made with: its name, what the run has and what ``config`` has; None without any.

    Raises:
        RunError: the run's config.json is damaged.
    """
    found = TrainConfig.completed(RunDirectory.open(path).read_config())
    asked = recorded(config)
    if "model" in asked and models.is_same_model(str(found.get("model")), asked["model"]):
        del asked["model"]
    # A run in a single environment says nothing of more.
    asked.setdefault("more_envs", None)
    differences = ((name, found.get(name), now) for name, now in asked.items() if found.get(name) != now)
    return next(differences, None)
