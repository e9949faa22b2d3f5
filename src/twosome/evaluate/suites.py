"""Suites of tasks to be tested on: from a file, or the panels that are built in. What is in one decides its hash."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twosome.config import TrainConfig
from twosome.documents import read_toml, why_not_json
from twosome.envs import text
from twosome.envs.arguments import suggestion
from twosome.envs.checked import MAX_SEED
from twosome.envs.household import panel_hash
from twosome.envs.named import NamedEnv
from twosome.errors import ConfigError, TwosomeError, quote
from twosome.evaluate.panel import ALL, EPISODES, SEED, Panel
from twosome.evaluate.success import seeds_of
from twosome.evaluate.unseen import PanelTask, unseen_tasks
from twosome.setting_types import misfit, require_at_least
from twosome.trust import granted, require_consent

_KEYS = {"name": str, "env": str, "env_kwargs": dict, "seeds": list | str}
_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
_MOST_TASKS, _MOST_EPISODES, _LONGEST_NAME = 300, 100_000, 100


@dataclass(frozen=True)
class Suite:
    """Tasks with the seeds of their episodes, equally many of each.

    Attributes:
        called: its name in messages and files.
        tasks: what is played, each with its seeds.
        told: what a result says of the suite.
    """

    called: str
    tasks: tuple[PanelTask, ...]
    told: dict[str, Any]

    @property
    def episodes(self) -> int:
        """Of each task."""
        return len(self.tasks[0].seeds)

    @property
    def result(self) -> str:
        """What the files with a result are called, without their endings."""
        return f"generalization-{self.called.removeprefix('panel ').replace(' ', '-')}"


def panel_suite(panel: Panel, config: TrainConfig, episodes: int | None = None, seed: int = SEED) -> Suite:
    """The tasks of a panel that a run with these settings was not trained on.

    Args:
        panel: which.
        config: the run's settings.
        episodes: of each task; None: as `EPISODES` says.
        seed: task ``i`` is played with the seeds from ``seed + i * episodes`` on.

    Raises:
        ConfigError: ``episodes`` is less than 2, which would leave no spread to judge by; or the run was trained on
            the whole panel.
    """
    episodes = EPISODES[panel] if episodes is None else episodes
    require_at_least("episodes", episodes, 2)
    require_at_least("seed", seed, 0)
    tasks = tuple(
        replace(task, seeds=seeds_of(episodes, seed + i * episodes))
        for i, task in enumerate(unseen_tasks(panel, config))
    )
    hashed = {"panel_hash": panel_hash()} if panel == "household" else {}
    return Suite(f"panel {panel}", tasks, {"panel": panel, **hashed, "seed": seed})


def read_suite(file: Path, workers: int = 0, timeout_s: float | None = None) -> Suite:
    """The suite in a TOML file, each of whose environments can be made.

    Args:
        file: its path; docs/generalization.md explains what is in it.
        workers: as of `NamedEnv`, for trying the environments out.
        timeout_s: likewise.

    Raises:
        ConfigError: the file cannot be read or is wrong somewhere; the message says where.
        RunError: it names a module that may not be imported without consent.
    """
    content = read_toml(file, "the TOML file of a suite", "docs/generalization.md")
    suite = f"the suite {quote(str(file))}"
    if not _NAME.fullmatch(file.stem):
        raise ConfigError(
            f"{suite} is named {quote(file.stem)}, and so are its results; expected up to 100 letters, digits and _.+- "
            "before the ending. Rename the file."
        )
    _require_known(content, ("tasks",), suite)
    entries = content.get("tasks")
    if not isinstance(entries, list) or not 1 <= len(entries) <= _MOST_TASKS:
        raise ConfigError(f"{suite} has tasks = {quote(entries)}; expected 1 to {_MOST_TASKS:,} tables [[tasks]].")
    tasks: list[PanelTask] = []
    for number, entry in enumerate(entries, start=1):
        tasks.append(_task(entry, tasks, f"task {number} of {suite}"))
    for task in tasks:
        require_consent(task.env, granted().trust_env_module, suite)
        try:
            NamedEnv(task.env, task.env_kwargs, workers, timeout_s).gamma()  # which makes it
        except TwosomeError as error:
            raise ConfigError(f"the task {quote(task.name)} of {suite} cannot be played: {error}") from error
    return Suite(f"suite {file.stem}", tuple(tasks), {"suite": file.stem, "suite_hash": suite_hash(tasks)})


def suite_hash(tasks: Sequence[PanelTask]) -> str:
    """SHA-256 of what is played: names, environments with their versions, arguments and seeds, in their order."""
    content = [[task.name, text.resolve(task.env), task.env_kwargs, list(task.seeds)] for task in tasks]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _task(entry: Any, before: Sequence[PanelTask], where: str) -> PanelTask:
    """A task, as its table in the file says it; its name is not that of one before, and it has as many seeds."""
    if not isinstance(entry, dict):
        raise ConfigError(f"{where} is {quote(entry)}; expected a table with {', '.join(_KEYS)}.")
    _require_known(entry, _KEYS, where)
    for key, value in entry.items():
        if expected := misfit(value, _KEYS[key]):
            raise ConfigError(f"{where} has {key} = {quote(value)}; expected {expected}.")
    if missing := [key for key in ("name", "env", "seeds") if not entry.get(key)]:
        raise ConfigError(f"{where} has no {missing[0]}, or an empty one; expected name, env and seeds in each task.")
    name, kwargs = entry["name"], entry.get("env_kwargs", {})
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise ConfigError(f"{where} has name = {quote(name)}; expected at most {_LONGEST_NAME} printable characters.")
    if name in (ALL, *(task.name for task in before)):
        raise ConfigError(f"{where} has name = {quote(name)}, as another row has; expected a name of its own.")
    if reason := why_not_json(kwargs):
        raise ConfigError(f"{where} has env_kwargs = {quote(kwargs)}; expected what JSON can say, but {reason}.")
    seeds = _seeds(entry["seeds"], where)
    if before and len(seeds) != len(before[0].seeds):
        raise ConfigError(
            f"{where} has {len(seeds):,} seeds and the first task {len(before[0].seeds):,}; expected as many of each "
            "task, since the mean over all tasks counts them alike."
        )
    return PanelTask(name, entry["env"], kwargs, seeds=seeds)


def _require_known(found: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for key in found:
        if key not in known:
            hint = suggestion(key, known) or f" Expected some of {', '.join(known)}."
            raise ConfigError(f"{where} has the key {quote(key)}, which is not known there.{hint}")


def _seeds(given: Any, where: str) -> tuple[int, ...]:
    """The seeds that a list names one by one, or a text from the first to the last."""
    found: Sequence[Any] = given
    if isinstance(given, str):
        bounds = re.fullmatch(r"([0-9]{1,10})-([0-9]{1,10})", given)
        found = range(int(bounds[1]), min(int(bounds[2]), int(bounds[1]) + _MOST_EPISODES) + 1) if bounds else ()
    is_whole = all(type(seed) is int and 0 <= seed <= MAX_SEED for seed in found)
    if not (is_whole and 2 <= len(found) <= _MOST_EPISODES and len(set(found)) == len(found)):
        raise ConfigError(
            f"{where} has seeds = {quote(given)}; expected 2 to {_MOST_EPISODES:,} different whole numbers from 0 to "
            f'{MAX_SEED:,}, one for each episode: a list such as [1, 2, 3], or a text such as "1000-1099".'
        )
    return tuple(found)
