"""All runs below a folder, each as it is: finished, unfinished or damaged."""

import json
import math
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twosome.config import TrainConfig
from twosome.errors import RunError, TwosomeError
from twosome.runs import EVALUATION, EXPERIMENT, METRICS, UNTRAINED, VERSIONS, RunDirectory, read_json

_MEANS = ("return_mean", "success_rate")
NOT_OF_A_METHOD = ("env", "env_kwargs", "seed", "output")
"""Settings in which the runs of one method in one world may differ."""


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
    """The runs below a folder, who else played in each world, and what could not be read or repeats a run, with why.

    The runs of one method in one world differ in nothing but their seed.
    """

    runs: list[Run]
    references: dict[str, dict[str, dict[str, Any]]]
    unreadable: dict[str, str]


def collect(folder: Path) -> Collection:
    """Read every run directory below a folder.

    Raises:
        RunError: there is none.
    """
    found, references = {}, defaultdict[str, dict[str, Any]](dict)
    names, unreadable = _names(folder)
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
    runs, repeated = _without_repetitions(_told_apart(_named(list(found.values()))))
    unreadable |= {str(run.path.relative_to(folder)): _repeats(kept.path.relative_to(folder)) for run, kept in repeated}
    return Collection(runs, dict(references), unreadable)


def world_of(content: Mapping[str, Any]) -> str:
    """A world's id and arguments, as one text; the module that registers it is no part of its name."""
    kwargs = content.get("env_kwargs") or {}
    world = str(content["env"]).rpartition(":")[2].removeprefix("twosome/")
    return f"{world} {json.dumps(kwargs, sort_keys=True)}" if kwargs else world


def _candidates(folder: Path) -> list[Path]:
    """Folders that look like a run; what is inside of them is not looked at."""
    found = []
    for place, folders, files in os.walk(folder):
        if "checkpoints" in folders or METRICS in files:
            found.append(Path(place))
            folders.clear()
    return found


def _names(folder: Path) -> tuple[dict[Path, str], dict[str, str]]:
    """What experiments call the methods of their runs, with the experiment's name where there are several.

    Also the files that say nothing, with the reason; the runs beside them are named by their settings.
    """
    files = sorted(folder.rglob(EXPERIMENT))
    names: dict[Path, str] = {}
    damaged = {}
    for file in files:
        try:
            content = read_json(file)
            prefix = f"{content['name']}/" if len(files) > 1 else ""
            names |= {(file.parent / row["path"]).resolve(): prefix + row["method"] for row in content["runs"]}
        except (RunError, KeyError, TypeError) as error:
            damaged[str(file.relative_to(folder))] = _reason(error)
    return names, damaged


def _read(path: Path, name: str | None) -> Run:
    run = RunDirectory.open(path)
    config, metrics = run.read_config(), run.read_metrics()
    config["env"], int(config["seed"])
    config = TrainConfig.completed(config)
    for row in metrics:
        int(row["decisions"]), int(row["episodes"])
        _require_finite(path / METRICS, {name: row[name] for name in _MEANS if row[name] is not None})
    evaluation, untrained = (
        _measured(path / file) if (path / file).exists() else None for file in (EVALUATION, UNTRAINED)
    )
    versions = read_json(path / VERSIONS) if (path / VERSIONS).exists() else {}
    made = Run(path, world_of(config), name or "", config, metrics, evaluation, untrained, versions)
    int(made.budget)
    _require_finite(path / METRICS, {"seconds": made.seconds})
    return made


def _measured(path: Path) -> dict[str, Any]:
    """A document of `twosome eval` with everything that a report needs."""
    document = read_json(path)
    for name in ("env", "episodes", "return_ci95", "gamma"):
        document[name]
    bounds = dict(zip(("lower bound", "upper bound"), document["return_ci95"] or (), strict=False))
    _require_finite(path, {**{name: document[name] for name in _MEANS}, **bounds})
    return document


def _require_finite(path: Path, numbers: Mapping[str, Any]) -> None:
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise RunError(f"{path} is damaged: its {name} is {number}, where a finite number is expected.")


def _reason(error: Exception) -> str:
    if isinstance(error, TwosomeError):
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
    return [replace(run, method=run.method or names[run.path]) for run in runs]


def _told_apart(runs: list[Run]) -> list[Run]:
    """Runs of one name in one world that differ in a setting get it as part of their name."""
    groups = defaultdict[tuple[str, str], list[Run]](list)
    for run in runs:
        groups[run.world, run.method].append(run)
    different = {key: differing([run.config for run in group]) for key, group in groups.items()}
    return [
        replace(run, method=", ".join([run.method, *(f"{name} {run.config.get(name)}" for name in names)]))
        for run in runs
        for names in [different[run.world, run.method]]
    ]


def _without_repetitions(runs: list[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """Of each method, world and seed one run, the one that has come furthest; and the others, each beside that one."""
    groups = defaultdict[tuple[str, str, int], list[Run]](list)
    for run in runs:
        groups[run.world, run.method, int(run.config["seed"])].append(run)
    kept = {
        key: max(group, key=lambda run: (run.finished and run.evaluation is not None, run.decisions))
        for key, group in groups.items()
    }
    pairs = [(run, kept[run.world, run.method, int(run.config["seed"])]) for run in runs]
    return [run for run, best in pairs if run is best], [(run, best) for run, best in pairs if run is not best]


def _repeats(path: Path) -> str:
    return f"the same settings and seed as {path}, which is counted: once more it would say nothing new"


def differing(configs: list[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same in all configs that have them.

    Left out are those that make no method, and those that no other kind of method has, but for the kind itself.
    """
    known = {name: None for config in configs for name in config if name not in NOT_OF_A_METHOD}
    values = {name: [config[name] for config in configs if name in config] for name in known}
    missing = [name for name in ("kind",) if 0 < len(values.get(name, [])) < len(configs)]
    return missing + [name for name in known if any(value != values[name][0] for value in values[name])]
