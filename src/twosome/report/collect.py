"""All runs below a folder, each as it is: finished, unfinished or damaged."""

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from twosome.config import TrainConfig, of_world, world_name, worlds_in
from twosome.errors import RunError, TwosomeError, quote
from twosome.report.checks import (
    checked_config,
    checked_metrics,
    checked_names,
    checked_numbers,
    checked_result,
    checked_results,
    furthest,
    reason_of,
    shown,
    world_of,
)
from twosome.report.numbers import Number
from twosome.run_files import read_json
from twosome.runs import EVALUATION, EXPERIMENT, METRICS, UNTRAINED, VERSIONS, RunDirectory
from twosome.trust import require_unchanged

_REFERENCES = ("planner.json", "random.json")
_DEEPEST = 50
_LONGEST_PATH = 300
_ALSO_TRAINED = "trained with"
"""In what a report knows of settings: the other environments of the same run."""
NOT_OF_A_METHOD = ("env", "more_envs", "env_kwargs", "seed", "output")
"""Settings in which the runs of one method in one environment may differ."""


@dataclass(frozen=True)
class Run:
    """What a run directory says of one environment; one that was trained in several at once is as many runs."""

    path: Path  # the run directory
    world: str  # id and arguments of its environment, as one text
    method: str  # name of what is compared with others
    config: Mapping[str, Any]  # its settings
    metrics: list[dict[str, Any]]  # one object per update
    evaluation: dict[str, Any] | None  # its result over fresh episodes; None if it has none yet
    untrained: dict[str, Any] | None  # the same for its model without training
    versions: dict[str, Any]  # what it ran on
    also: tuple[Number, ...] = ()  # the numbers of its further measurements

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
        return self.seconds_to(self.decisions)

    def seconds_to(self, decisions: int) -> float:
        """Time that its updates took until so many decisions were made."""
        rows = [row for row in self.metrics if row["decisions"] <= decisions]
        return float(sum(value for row in rows for name, value in row.items() if name.endswith("_s")))

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What was found wrong while it trained: code, update and decisions of each warning."""
        return [
            {"code": shown(code), "update": row.get("update"), "decisions": row["decisions"]}
            for row in self.metrics
            for code in row.get("warnings") or []
        ]


@dataclass(frozen=True)
class Collection:
    """The runs below a folder, who else played in each environment, what could not be read or repeats a run, and why.

    The runs of one method in one environment differ in nothing but their seed.
    """

    runs: list[Run]
    references: dict[str, dict[str, dict[str, Any]]]
    unreadable: dict[str, str]


def collect(folder: Path) -> Collection:
    """Read every run directory below a folder.

    Raises:
        RunError: there is none.
    """
    places = _look_through(folder)
    names, unreadable = _names(folder, places.experiments)
    unreadable |= places.closed
    order = {path: i for i, path in enumerate(names)}
    found: list[Run] = []
    for path in sorted(places.runs, key=lambda path: (order.get(_absolute(path), len(order)), path)):
        try:
            found += _read(path, names.get(_absolute(path)))
        except (TwosomeError, OSError) as error:
            unreadable[_below(folder, path)] = reason_of(error)
    results = defaultdict[tuple[str, str], list[dict[str, Any]]](list)
    for file in places.references:
        try:
            document = checked_result(file)
            results[world_of(document), file.stem].append(document)
        except (TwosomeError, OSError) as error:
            unreadable[_below(folder, file)] = reason_of(error)
    references = defaultdict[str, dict[str, Any]](dict)
    for (world, who), documents in results.items():
        references[world][who] = furthest(documents)
    if not found and not unreadable:
        raise RunError(
            f"there is no run below {quote(str(folder))}. Expected a folder that `twosome experiment` or `train` wrote."
        )
    runs, repeated = _without_repetitions(_disambiguate(_named(found)))
    unreadable |= {_below(folder, run.path): _repeats(_below(folder, kept.path)) for run, kept in repeated}
    return Collection(runs, dict(references), unreadable)


@dataclass
class _Places:
    """What lies below a folder: runs, experiments, results of who does not learn; and what cannot be looked into."""

    runs: list[Path] = field(default_factory=list)
    experiments: list[Path] = field(default_factory=list)
    references: list[Path] = field(default_factory=list)
    closed: dict[str, str] = field(default_factory=dict)


def _look_through(folder: Path) -> _Places:
    """Find everything below a folder; links are not followed, and inside of a run there is nothing else to find."""
    found = _Places()

    def refused(error: OSError) -> None:
        if error.filename == str(folder):
            raise RunError(f"{quote(str(folder))} cannot be read: {error.strerror}. Expected a folder with runs below.")
        found.closed[_below(folder, Path(error.filename))] = reason_of(error)

    for name, folders, files in os.walk(folder, onerror=refused):
        place = Path(name)
        found.experiments += [place / file for file in files if file == EXPERIMENT]
        found.references += [place / file for file in sorted(files) if file in _REFERENCES]
        folders.sort()
        if "checkpoints" in folders or METRICS in files:
            found.runs.append(place)
            folders.clear()
        elif len(place.parts) - len(folder.parts) >= _DEEPEST:
            found.closed[_below(folder, place)] = f"what is nested more than {_DEEPEST} deep is not looked at"
            folders.clear()
    return found


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _below(folder: Path, path: Path) -> str:
    return shown(os.path.relpath(path, folder), _LONGEST_PATH)


def _names(folder: Path, files: list[Path]) -> tuple[dict[Path, str], dict[str, str]]:
    """What experiments call the methods of their runs, with the experiment's name where there are several.

    Also the files that say nothing, with the reason; the runs beside them are named by their settings.
    """
    names: dict[Path, str] = {}
    damaged = {}
    for file in files:
        try:
            experiment, rows = checked_names(file)
        except (TwosomeError, OSError) as error:
            damaged[_below(folder, file)] = reason_of(error)
            continue
        prefix = f"{experiment}/" if len(files) > 1 else ""
        names |= {_absolute(file.parent / path): prefix + method for path, method in rows}
    return names, damaged


def _read(path: Path, name: str | None) -> list[Run]:
    run = RunDirectory.open(path)
    config, metrics = checked_config(run), checked_metrics(run)
    if "kind" not in config:
        require_unchanged(run, TrainConfig.from_json(run.read_config()))
    evaluations, untrained = (
        {world_of(found): found for found in checked_results(path / file, of_a_model=file == UNTRAINED)}
        if os.path.lexists(path / file)
        else {}
        for file in (EVALUATION, UNTRAINED)
    )
    versions = read_json(path / VERSIONS) if os.path.lexists(path / VERSIONS) else {}
    also = tuple(number for file in sorted(path.glob("also-*.json")) for number in checked_numbers(file))
    envs = [config["env"], *([] if "kind" in config else config.get("more_envs", []))]
    if len(envs) == 1:
        # Also where a run was measured elsewhere than it was trained.
        evaluation, before = (next(iter(found.values()), None) for found in (evaluations, untrained))
        return [Run(path, world_of(config), name or "", config, metrics, evaluation, before, versions, also)]
    runs = []
    for env in envs:
        others = ", ".join(world_name(other) for other in envs if other != env)
        own, world = {**config, "env": env, _ALSO_TRAINED: others}, world_name(env)
        if own["gamma"] is None:  # each environment's own, as of all other runs
            del own["gamma"]
        if any(world not in worlds_in(row) for row in metrics):
            raise RunError(f"{path / METRICS} is damaged: a line has no numbers of {quote(world)}.")
        rows = [of_world(row, world) for row in metrics]
        evaluation, before = evaluations.get(world), untrained.get(world)
        numbers = also if env == envs[0] else ()
        runs.append(Run(path, world, name or "", own, rows, evaluation, before, versions, numbers))
    return runs


def _named(runs: list[Run]) -> list[Run]:
    """Runs of no experiment are named by their model and by the settings in which they differ."""
    unnamed = [run for run in runs if not run.method]
    groups = defaultdict[str, list[Run]](list)
    for run in unnamed:
        groups[run.world].append(run)
    names = {}
    for group in groups.values():
        different = list(dict.fromkeys([_ALSO_TRAINED, *differing([run.config for run in group])]))
        for run in group:
            who = shown(run.config.get("kind") or run.config.get("model"))
            others = _told(run.config, [name for name in different if name not in ("kind", "model")])
            names[run.path, run.world] = ", ".join([who, *others])
    return [replace(run, method=run.method or names[run.path, run.world]) for run in runs]


def _told(config: Mapping[str, Any], names: list[str]) -> list[str]:
    """Some settings in words; of a run in a single environment not what it was trained with."""
    return [f"{name} {shown(config.get(name))}" for name in names if name != _ALSO_TRAINED or name in config]


def _disambiguate(runs: list[Run]) -> list[Run]:
    """Runs of one name in one environment that differ in a setting get it as part of their name."""
    groups = defaultdict[tuple[str, str], list[Run]](list)
    for run in runs:
        groups[run.world, run.method].append(run)
    different = {key: differing([run.config for run in group]) for key, group in groups.items()}
    return [
        replace(run, method=", ".join([run.method, *_told(run.config, names)]))
        for run in runs
        for names in [different[run.world, run.method]]
    ]


def _without_repetitions(runs: list[Run]) -> tuple[list[Run], list[tuple[Run, Run]]]:
    """Of each method, environment and seed the run that has come furthest; and the others, each beside that one."""
    groups = defaultdict[tuple[str, str, int], list[Run]](list)
    for run in runs:
        groups[run.world, run.method, int(run.config["seed"])].append(run)
    kept = {
        key: max(group, key=lambda run: (run.finished and run.evaluation is not None, run.decisions))
        for key, group in groups.items()
    }
    pairs = [(run, kept[run.world, run.method, int(run.config["seed"])]) for run in runs]
    return [run for run, best in pairs if run is best], [(run, best) for run, best in pairs if run is not best]


def _repeats(path: str) -> str:
    return f"the same settings and seed as {path}, which is counted: once more it would say nothing new"


def differing(configs: list[Mapping[str, Any]]) -> list[str]:
    """Names of the settings that are not the same in all configs that have them.

    Left out are those that make no method, and those that no other kind of method has, but for the kind itself and the
    other environments of a run in several.
    """
    known = {name: None for config in configs for name in config if name not in NOT_OF_A_METHOD}
    values = {name: [config[name] for config in configs if name in config] for name in known}
    missing = [name for name in ("kind", _ALSO_TRAINED) if 0 < len(values.get(name, [])) < len(configs)]
    different = [name for name in known if any(value != values[name][0] for value in values[name])]
    return list(dict.fromkeys(missing + different))
