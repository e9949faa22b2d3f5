"""The file of an experiment: environments x methods x seeds, checked as a whole before anything runs.

The file is TOML and not YAML: Python reads it without a further package from 3.11 on, and `actor_lr = 1e-3` is a
number in it, where YAML 1.1 as PyYAML reads it makes a text of it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from twosome.config import TrainConfig
from twosome.documents import read_toml, why_not_json, why_unusable
from twosome.envs import text
from twosome.errors import ConfigError, TwosomeError, quote
from twosome.experiment.kind import BASELINES
from twosome.experiment.measurement import MEASUREMENTS, MeasurementRequest
from twosome.experiment.settings import (
    TRAINED,
    Config,
    config_class,
    configure,
    fields_of,
    require_known,
    require_settings,
    require_types,
)
from twosome.setting_types import Count, Range, check_settings, refusal
from twosome.trust import granted, require_consent

_KEYS = {
    "name": str,
    "output": str,
    "seeds": list,
    "envs": list,
    "settings": dict,
    "env": dict,
    "methods": dict,
    "evaluation": dict,
    "also": list,
}
QUICK_STEPS = 1536
QUICK_EPISODES = 50
"""What a quick version has at most, of each run: a minute or so, and enough to see a curve rise."""
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")
_LONGEST_NAME = 100
_MOST_RUNS = 10_000


@dataclass(frozen=True)
class Evaluation:
    """How each finished run, and who it is compared with, is measured."""

    episodes: Count = 500
    """Fresh episodes."""
    seed: Annotated[int, Range(0, 2**31 - 1)] = 10_000
    """Episode i is reset with seed + i."""

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Cell:
    """One run of the grid."""

    env: str  # the environment, as the file names it
    method: str  # name of the method
    seed: int  # of the run
    kind: str  # what the method is, "twosome" or a baseline's
    given: dict[str, Any]  # the settings that the file gives; presets fill in the others
    config: Config  # all settings
    path: Path  # the run directory
    evaluation: Evaluation  # how it is measured when it is trained
    also: tuple[str, ...] = ()  # names of its further measurements
    untrained: bool = False  # whether its model is measured without training too: once for each way of asking a model

    @property
    def request(self) -> MeasurementRequest:
        """What its further measurements are asked for."""
        model = str(getattr(self.config, "model", ""))
        return MeasurementRequest(str(self.path), model, self.evaluation.episodes, self.evaluation.seed, self.threads)

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.env} {self.method} seed {self.seed}"

    @property
    def threads(self) -> int:
        """CPU threads that it uses."""
        return int(getattr(self.config, "threads", 1))


@dataclass(frozen=True)
class Reference:
    """A player that does not learn, measured once in an environment: random play, or the optimal planner."""

    env: str
    policy: str
    env_kwargs: dict[str, Any]
    path: Path
    evaluation: Evaluation
    threads: int = 1

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.env} {self.policy}"


@dataclass(frozen=True)
class Grid:
    """An experiment whose every run is known to have valid settings."""

    name: str
    file: Path
    output: Path
    cells: tuple[Cell, ...]
    references: tuple[Reference, ...]

    def to_json(self) -> dict[str, Any]:
        """What a report needs to name the runs: their folders below the output, and the file that asks for them."""
        runs = [
            {
                "path": str(cell.path.relative_to(self.output)),
                "env": cell.env,
                "method": cell.method,
                "seed": cell.seed,
            }
            for cell in self.cells
        ]
        return {"name": self.name, "file": str(self.file), "runs": runs}


def read_grid(file: Path, *, quick: bool = False) -> Grid:
    """Read an experiment's file and check all of it.

    Args:
        file: TOML.
        quick: make the short version of the grid, in a folder of its own: the first environment and
            seed, at most QUICK_STEPS decisions and QUICK_EPISODES episodes.

    Raises:
        ConfigError: the file cannot be read, or something in it is misspelt, of a wrong type or out of range.
        EnvError: there is no such environment.
    """
    content = read_toml(file, "the TOML file of an experiment", "docs/experiments.md")
    try:
        return _Reader(content, file, quick=quick).grid()
    except TwosomeError as error:
        raise type(error)(f"{quote(str(file))[1:-1]}: {error}") from error


@dataclass(frozen=True)
class _Method:
    """A method's kind, and its settings: for all environments, and for single ones."""

    kind: str
    given: dict[str, Any]
    by_env: dict[str, dict[str, Any]]
    also: tuple[str, ...]


class _Reader:
    """Takes a file's content apart, the outermost things first."""

    def __init__(self, content: Mapping[str, Any], file: Path, *, quick: bool) -> None:
        require_known(content, _KEYS, "the file")
        require_types(content, _KEYS, "the file")
        self.quick, self.file = quick, file
        self.name: str = content.get("name", file.stem)
        output: str = content.get("output", f"runs/{self.name}")
        if not self.name.strip(" .") or not self.name.isprintable() or len(self.name) > _LONGEST_NAME:
            raise refusal("name", self.name, f"a printable name of at most {_LONGEST_NAME} characters")
        self.output = Path(output)
        if not output.strip() or self.output.name in ("", ".."):
            raise refusal("output", output, "a folder for the runs of this file alone")
        self.seeds = _distinct(content.get("seeds", [1, 2, 3, 4, 5]), "seeds", int)
        self.envs = _distinct(content.get("envs", []), "envs", str)
        for env in self.envs:
            require_consent(env, granted().trust_env_module, "the file")
        self._require_different_envs()
        self.also = content.get("also", [])
        self.methods = self._methods(content.get("methods", {}))
        self.evaluation = self._evaluation(content.get("evaluation", {}))
        self.shared: dict[str, Any] = content.get("settings", {})
        self.by_env: dict[str, Any] = content.get("env", {})
        require_known(self.by_env, self.envs, "[env]")
        self._check_shared("[settings]", self.shared)
        for env, table in self.by_env.items():
            self._check_shared(f"[env.{env}]", _table(table, f"env.{env}"))
        if quick:
            self._shorten()
        if reason := why_unusable(self.output):
            raise refusal("output", str(self.output), f"another folder, since {reason}")

    def _require_different_envs(self) -> None:
        """Two names of one environment would be two equal runs; two of one folder would share their runs."""
        for same, of in (("the same environment", _env_id), ("the same folder", lambda env: str(self._folder(env)))):
            met: dict[str, str] = {}
            for env in self.envs:
                other = met.setdefault(of(env), env)
                if other != env:
                    raise ConfigError(
                        f"envs: expected a list of different environments; {quote(other)} and {quote(env)} are {same}. "
                        "Leave one of them out."
                    )

    def _shorten(self) -> None:
        """Keep the first environment and seed; fewer decisions and episodes; another folder."""
        self.name, self.output = f"{self.name}-quick", self.output.with_name(f"{self.output.name}-quick")
        self.envs, self.seeds = self.envs[:1], self.seeds[:1]
        self.evaluation = replace(self.evaluation, episodes=min(self.evaluation.episodes, QUICK_EPISODES))

    def grid(self) -> Grid:
        """All runs, seed by seed, so that an unfinished grid has something of every method."""
        number = len(self.seeds) * len(self.envs) * len(self.methods)
        if number > _MOST_RUNS:
            raise ConfigError(
                f"the grid has {number:,} runs; expected at most {_MOST_RUNS:,}. Make several files of it."
            )
        cells = [self._cell(env, method, seed) for seed in self.seeds for env in self.envs for method in self.methods]
        beside = {env for cell in cells if isinstance(cell.config, TrainConfig) for env in cell.config.more_envs}
        played = [*self.envs, *sorted(beside - set(map(text.resolve, self.envs)))]
        environments = {env: self._environment(env) for env in played}
        references = [
            Reference(env, policy, kwargs, self._folder(env) / f"{policy}.json", self.evaluation)
            for env, (kwargs, policies) in environments.items()
            for policy in policies
        ]
        return Grid(self.name, self.file, self.output, tuple(_with_untrained(cells)), tuple(references))

    def _methods(self, tables: Mapping[str, Any]) -> dict[str, _Method]:
        if not tables:
            raise ConfigError("there is no method; expected at least one, such as [methods.word] with its settings.")
        methods = {}
        for name, table in tables.items():
            if not _LABEL.fullmatch(name) or name.endswith(".json"):
                raise ConfigError(
                    f"[methods] has {quote(name)}, and a method's name is a folder too; expected at most 100 letters, "
                    "digits and _ . + -, and no .json at the end."
                )
            where = f"[methods.{name}]"
            given = dict(_table(table, f"methods.{name}"))
            kind = given.pop("kind", TRAINED)
            if not isinstance(kind, str):
                raise ConfigError(f"{where} gives kind = {quote(kind)}; expected a text, such as 'ppo-mlp'.")
            config_class(kind)
            by_env = _table(given.pop("env", {}), f"methods.{name}.env")
            also = _measurements([*self.also, *given.pop("also", [])] if kind == TRAINED else [])
            require_known(by_env, self.envs, f"[methods.{name}.env]")
            self._check_own(where, kind, given)
            for env, own in by_env.items():
                label = f"methods.{name}.env.{env}"
                self._check_own(f"[{label}]", kind, _table(own, label))
            methods[name] = _Method(kind, given, by_env, also)
        return methods

    @staticmethod
    def _check_own(where: str, kind: str, table: Mapping[str, Any]) -> None:
        if "env_kwargs" in table:
            raise ConfigError(
                f"{where} gives env_kwargs, but all methods play in the same environment: use [env.WORLD]."
            )
        require_settings(table, fields_of(kind), f"{where} of kind {kind!r}")

    @staticmethod
    def _evaluation(table: Mapping[str, Any]) -> Evaluation:
        require_known(table, ("episodes", "seed"), "[evaluation]")
        return Evaluation(**table)

    def _check_shared(self, where: str, table: Mapping[str, Any]) -> None:
        """Settings for several methods must mean something to at least one; the environment's arguments, to all."""
        kinds = {method.kind for method in self.methods.values()}
        hints = {name: hint for kind in sorted(kinds) for name, hint in fields_of(kind).items()}
        require_settings(table, hints, where)
        without = [kind for kind in sorted(kinds) if "env_kwargs" not in fields_of(kind)]
        if "env_kwargs" in table and without:
            raise ConfigError(f"{where} gives env_kwargs, which methods of kind {without[0]!r} do not take.")

    def _given(self, env: str, kind: str) -> dict[str, Any]:
        shared = {**self.shared, **self.by_env.get(env, {})}
        if "env_kwargs" in shared:
            shared["env_kwargs"] = text.resolve_arguments(text.resolve(env), shared["env_kwargs"])
        return {name: value for name, value in shared.items() if name in fields_of(kind)}

    def _environment(self, env: str) -> tuple[dict[str, Any], list[str]]:
        """An environment's arguments, and who plays in it beside the methods."""
        kwargs = {**self.shared, **self.by_env.get(env, {})}.get("env_kwargs", {})
        if reason := why_not_json(kwargs):
            raise refusal(f"env_kwargs of {env}", kwargs, f"another, since {reason}")
        kwargs = text.resolve_arguments(text.resolve(env), kwargs)
        with text.make_checked(env, **kwargs) as environment:
            space: Any = environment.env.observation_space
            has_planner = environment.attribute("planner", None) is not None
        kinds = [method.kind for method in self.methods.values() if method.kind != TRAINED]
        readers = [kind for kind in kinds if BASELINES.find(kind).reads_vector]
        if readers and "vector" not in space.spaces:
            raise ConfigError(f'{env} has no symbolic observation, "vector", which methods of kind {readers[0]} read.')
        policies = ["random", *(["planner"] if has_planner else [])]
        return kwargs, policies

    def _folder(self, env: str) -> Path:
        return self.output / env.removeprefix("twosome/").replace("/", "-").replace(":", "-")

    def _cell(self, env: str, method: str, seed: int) -> Cell:
        kind = self.methods[method].kind
        given = {**self._given(env, kind), **self.methods[method].given, **self.methods[method].by_env.get(env, {})}
        path = self._folder(env) / method / f"seed-{seed}"
        for other in given.get("more_envs", ()):
            require_consent(other, granted().trust_env_module, "the file")
        try:
            config = configure(kind, env, seed, given, path)
            if self.quick:
                given["total_steps"] = min(config.total_steps, max(QUICK_STEPS, config.batch_size))
                config = configure(kind, env, seed, given, path)
        except ConfigError as error:
            raise ConfigError(f"{method} on {env}: {error}") from error
        if getattr(config, "trust_remote_code", False) and not granted().trust_remote_code:
            raise ConfigError(
                f"{method} on {env} wants to run Python code that comes with its model. If you trust it, say "
                "--trust-remote-code on the command line, too."
            )
        also = self.methods[method].also
        return Cell(env, method, seed, kind, given, config, path, self.evaluation, also)


def _measurements(names: Any) -> tuple[str, ...]:
    """Names of measurements that there are, each once."""
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ConfigError(f"also is {quote(names)}; expected a list of measurements, such as ['greedy'].")
    for name in names:
        MEASUREMENTS.find(name)
    return tuple(dict.fromkeys(names))


def _with_untrained(cells: list[Cell]) -> list[Cell]:
    """The same cells; the first of each environment and way of asking a model measures it untrained too."""
    asks = (
        "env",
        "more_envs",
        "model",
        "normalization",
        "context_free_prompt",
        "target_entropy",
        "prior_weight",
        "prompt_format",
        "dtype",
        "quantization",
        "random_init",
    )
    seen: set[tuple[Any, ...]] = set()
    marked: list[Cell] = []
    for cell in cells:
        way = tuple(getattr(cell.config, name, None) for name in asks)
        marked.append(replace(cell, untrained=cell.kind == TRAINED and way not in seen))
        seen.add(way)
    return marked


def _env_id(env: str) -> str:
    """The registered id that a name of an environment stands for."""
    return text.resolve(env).rpartition(":")[2]


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{name} is {quote(value)}; expected a table, [{name}], with settings.")
    return value


def _distinct(values: list[Any], name: str, kind: type[int] | type[str]) -> list[Any]:
    wrong = [value for value in values if type(value) is not kind or not _can_be_listed(value)]
    if not values or wrong or len(set(values)) < len(values):
        found = f"it has {quote(wrong[0])}" if wrong else f"it is {quote(values)}"
        expected = "whole numbers, none below 0" if kind is int else "names of environments"
        raise ConfigError(f"{name}: expected a list of different {expected}, with at least one; {found}.")
    return values


def _can_be_listed(value: int | str) -> bool:
    if isinstance(value, int):
        return value >= 0
    return value.isprintable() and len(value) <= _LONGEST_NAME and not value.startswith("-")
