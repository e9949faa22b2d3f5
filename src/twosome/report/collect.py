"""All runs below a folder, each as it is: finished, unfinished or damaged."""

import json
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twosome.errors import RunError
from twosome.runs import EVALUATION, EXPERIMENT, METRICS, UNTRAINED, VERSIONS, RunDirectory, read_json

NOT_OF_A_METHOD = ("env", "env_kwargs", "seed", "output", "gamma")
"""Settings in which the runs of one method may differ."""


@dataclass(frozen=True)
class Run:
    """What a run directory says.

    Attributes:
        path: the run directory.
        world: id and arguments of its world, as one text.
        method: name of what is compared with others.
        config: its settings.
        metrics: one object per update.
        evaluation: its result over fresh episodes; None if it has none yet.
        untrained: the same for its model without training.
        versions: what it ran on.
    """

    path: Path
    world: str
    method: str
    config: Mapping[str, Any]
    metrics: list[dict[str, Any]]
    evaluation: dict[str, Any] | None
    untrained: dict[str, Any] | None
    versions: dict[str, Any]

    @property
    def decisions(self) -> int:
        """Decisions made so far."""
        return int(self.metrics[-1]["decisions"]) if self.metrics else 0

    @property
    def budget(self) -> int:
        """Decisions when it is finished: whole rollouts."""
        batch = int(self.config["num_envs"]) * int(self.config["rollout_steps"])
        return int(self.config["total_steps"]) // batch * batch

    @property
    def finished(self) -> bool:
        """Whether its budget is spent."""
        return self.decisions >= self.budget

    @property
    def seconds(self) -> float:
        """Time that its updates took, without start and evaluation."""
        return float(sum(value for row in self.metrics for name, value in row.items() if name.endswith("_s")))


@dataclass(frozen=True)
class Collection:
    """The runs below a folder, who else played in each world, and what could not be read, with the reason."""

    runs: list[Run]
    references: dict[str, dict[str, dict[str, Any]]]
    unreadable: dict[str, str]


def collect(folder: Path) -> Collection:
    """Read every run directory below a folder.

    Raises:
        RunError: there is none.
    """
    found, unreadable, references = {}, {}, defaultdict[str, dict[str, Any]](dict)
    names = _names(folder)
    order = {path: i for i, path in enumerate(names)}
    for path in sorted(_candidates(folder), key=lambda path: (order.get(path.resolve(), len(order)), path)):
        try:
            found[path] = _read(path, names.get(path.resolve()))
        except (RunError, ValueError, KeyError, TypeError, AttributeError) as error:
            unreadable[str(path.relative_to(folder))] = _reason(error)
    for file in sorted(folder.rglob("*.json")):
        if file.stem in ("random", "planner"):
            try:
                document = _measured(file)
                references[world_of(document)][file.stem] = document
            except (RunError, KeyError, TypeError) as error:
                unreadable[str(file.relative_to(folder))] = _reason(error)
    if not found and not unreadable:
        raise RunError(f"there is no run below {folder}. Expected a folder that `twosome experiment` or `train` wrote.")
    return Collection(_named(list(found.values())), dict(references), unreadable)


def world_of(content: Mapping[str, Any]) -> str:
    """A world's id and arguments, as one text."""
    kwargs = content.get("env_kwargs") or {}
    return str(content["env"]).removeprefix("twosome/") + (f" {json.dumps(kwargs, sort_keys=True)}" if kwargs else "")


def _candidates(folder: Path) -> list[Path]:
    """Folders that look like a run; what is inside of them is not looked at."""
    found = []
    for place, folders, files in os.walk(folder):
        if "checkpoints" in folders or METRICS in files:
            found.append(Path(place))
            folders.clear()
    return found


def _names(folder: Path) -> dict[Path, str]:
    """What experiments call the methods of their runs; with the experiment's name where there are several."""
    files = sorted(folder.rglob(EXPERIMENT))
    names = {}
    for file in files:
        content = read_json(file)
        prefix = f"{content['name']}/" if len(files) > 1 else ""
        for row in content["runs"]:
            names[(file.parent / row["path"]).resolve()] = prefix + row["method"]
    return names


def _read(path: Path, name: str | None) -> Run:
    run = RunDirectory.open(path)
    config, metrics = run.read_config(), run.read_metrics()
    for row in metrics:
        int(row["decisions"]), int(row["episodes"]), row["return_mean"], row["success_rate"]
    evaluation, untrained = (
        _measured(path / file) if (path / file).exists() else None for file in (EVALUATION, UNTRAINED)
    )
    versions = read_json(path / VERSIONS) if (path / VERSIONS).exists() else {}
    made = Run(path, world_of(config), name or "", config, metrics, evaluation, untrained, versions)
    int(made.budget), int(config["seed"])
    return made


def _measured(path: Path) -> dict[str, Any]:
    """A document of `twosome eval` with everything that a report needs."""
    document = read_json(path)
    for name in ("env", "episodes", "return_mean", "return_ci95", "success_rate", "gamma"):
        document[name]
    return document


def _reason(error: Exception) -> str:
    if isinstance(error, RunError):
        return str(error)
    return f"a file is damaged: {type(error).__name__} {error}"


def _named(runs: list[Run]) -> list[Run]:
    """Runs of no experiment are named by their model and by the settings in which they differ."""
    unnamed = [run for run in runs if not run.method]
    groups = defaultdict[str, list[Run]](list)
    for run in unnamed:
        groups[run.world].append(run)
    names = {}
    for group in groups.values():
        different = differing([run.config for run in group])
        for run in group:
            who = str(run.config.get("kind") or run.config.get("model"))
            others = [f"{name} {run.config.get(name)}" for name in different if name not in ("kind", "model")]
            names[run.path] = ", ".join([who, *others])
    return [Run(**{**vars(run), "method": run.method or names[run.path]}) for run in runs]


def differing(configs: list[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same in all configs that have them.

    Left out are those that make no method, and those that no other kind of method has, but for the kind itself.
    """
    known = {name: None for config in configs for name in config if name not in NOT_OF_A_METHOD}
    values = {name: [config[name] for config in configs if name in config] for name in known}
    missing = [name for name in ("kind",) if 0 < len(values.get(name, [])) < len(configs)]
    return missing + [name for name in known if any(value != values[name][0] for value in values[name])]
