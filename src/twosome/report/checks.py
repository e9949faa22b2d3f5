"""What a report reads, checked when it is read: of what passes here every number can be counted and every name drawn.

Each function takes what a file of a run says and returns it, or raises RunError, which names the file and the entry.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from twosome.config import TrainConfig, world_name, worlds_in
from twosome.errors import RunError, quote
from twosome.report.numbers import Number
from twosome.run_files import read_json
from twosome.runs import METRICS, RunDirectory
from twosome.setting_types import LARGEST, Range, ranges_of

_LONGEST_VALUE = 80
_LONGEST_REASON = 400
_COUNT = Range(0, 10**12)
_NUMBER = Range(-LARGEST, LARGEST)
_Test: TypeAlias = Callable[[Any], bool]


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in _COUNT


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value in _NUMBER


def _is_share(value: Any) -> bool:
    return _is_number(value) and 0 <= value <= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_interval(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] <= value[1]


_WORDS: dict[_Test, str] = {
    _is_count: "a whole number, at least 0",
    _is_number: "a finite number",
    _is_share: "a number from 0 to 1",
    _is_text: "a text",
    _is_object: "an object",
    _is_names: "a list of texts",
    _is_interval: "two finite numbers, the lower first",
}


def _require(where: Path, content: Mapping[str, Any], name: str, test: _Test, *, optional: bool = False) -> None:
    if name not in content and not optional:
        raise RunError(f"{where} has no {name}; expected {_WORDS[test]}.")
    value = content.get(name)
    if not (value is None and optional) and not test(value):
        raise RunError(f"{where} is damaged: its {name} is {quote(value)}; expected {_WORDS[test]}.")


def checked_metrics(run: RunDirectory) -> list[dict[str, Any]]:
    """A run's metrics, of which every row can be drawn.

    Raises:
        RunError: a row lacks something, or is not later than the one before.
    """
    rows = run.read_metrics()
    before = 0
    for number, row in enumerate(rows, start=1):
        where = run.path / f"{METRICS}, line {number},"
        _require(where, row, "decisions", _is_count)
        for prefix in ("", *(f"{world}/" for world in worlds_in(row))):
            _require(where, row, f"{prefix}episodes", _is_count)
            for name in (f"{prefix}return_mean", f"{prefix}success_rate"):
                if name not in row:
                    raise RunError(f"{where} has no {name}.")
                _require(where, row, name, _is_number, optional=True)
        for name in row:
            if name.endswith("_s"):
                _require(where, row, name, _is_number)
        _require(where, row, "invalid_share", _is_share, optional=True)
        _require(where, row, "warnings", _is_names, optional=True)
        if row["decisions"] <= before:
            raise RunError(f"{where} has {row['decisions']} decisions, not more than the line before.")
        before = row["decisions"]
    return rows


def checked_config(run: RunDirectory) -> dict[str, Any]:
    """A run's settings, completed.

    Raises:
        RunError: what the report needs of them is not there.
        ConfigError: they are not those of a training run.
    """
    where = run.path / "config.json"
    config = run.read_config()
    _require(where, config, "env", _is_text)
    _require(where, config, "seed", _is_count)
    config = TrainConfig.completed(config)
    _require(where, config, "kind", _is_text, optional=True)
    _require(where, config, "model", _is_text, optional=True)
    _require(where, config, "env_kwargs", _is_object, optional=True)
    _require(where, config, "gamma", _is_number, optional=True)
    for name in ("num_envs", "rollout_steps", "total_steps"):
        _require(where, config, name, _is_count)
        if config[name] not in (accepted := ranges_of(TrainConfig)[name]):
            raise RunError(f"{where} is damaged: its {name} is {config[name]}; expected {accepted}.")
    return config


def checked_result(path: Path) -> dict[str, Any]:
    """A document of `twosome eval` in one environment.

    Raises:
        RunError: it lacks something that a report needs.
    """
    return _checked(path, read_json(path), of_a_model=False)


def checked_results(path: Path, *, of_a_model: bool = False) -> list[dict[str, Any]]:
    """What a document of `twosome eval` says of each environment.

    Args:
        path: the file.
        of_a_model: whether a report names it after its model.

    Raises:
        RunError: it lacks something that a report needs.
    """
    document = read_json(path)
    parts = document.get("worlds", [document])
    if not isinstance(parts, list) or not all(map(_is_object, parts)):
        raise RunError(f"{path} is damaged: its worlds are {quote(parts)}; expected a list of objects.")
    around = {name: document[name] for name in ("hardware",) if name in document}
    return [_checked(path, {**around, **part}, of_a_model=of_a_model) for part in parts]


def _checked(path: Path, document: dict[str, Any], *, of_a_model: bool) -> dict[str, Any]:
    _require(path, document, "env", _is_text)
    _require(path, document, "env_kwargs", _is_object, optional=True)
    _require(path, document, "episodes", _is_count)
    _require(path, document, "return_mean", _is_number)
    _require(path, document, "success_rate", _is_share)
    _require(path, document, "gamma", _is_number)
    if "return_ci95" not in document:
        raise RunError(f"{path} has no return_ci95; expected {_WORDS[_is_interval]}.")
    _require(path, document, "return_ci95", _is_interval, optional=True)
    _require(path, document, "hardware", _is_object, optional=True)
    for name in ("model", "normalization"):
        _require(path, document, name, _is_text, optional=not of_a_model)
    return document


def checked_numbers(path: Path) -> list[Number]:
    """The numbers of a further measurement.

    Raises:
        RunError: they are not what `twosome experiment` writes.
    """
    rows = read_json(path).get("numbers")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{path} is damaged: its numbers are {quote(rows)}; expected a list of objects.")
    for row in rows:
        require_known_keys(path, row)
        _require(path, row, "what", _is_text)
        _require(path, row, "mean", _is_number, optional=True)
        _require(path, row, "interval", _is_interval, optional=True)
        _require(path, row, "n", _is_count, optional=True)
        for name in ("world", "method"):
            _require(path, row, name, _is_text, optional=True)
    return [Number.from_json({**row, "what": shown(row["what"])}) for row in rows]


def require_known_keys(path: Path, row: Mapping[str, Any]) -> None:
    """Refuse a row with an entry that no number has."""
    if unknown := set(row) - {"what", "world", "method", "mean", "interval", "n"}:
        raise RunError(f"{path} is damaged: a number has {quote(sorted(unknown))}, which none has.")


def checked_names(file: Path) -> tuple[str, list[tuple[str, str]]]:
    """What an experiment is called, and for each of its runs the folder and the method's name.

    Raises:
        RunError: the file says something else.
    """
    content = read_json(file)
    _require(file, content, "name", _is_text)
    rows = content.get("runs")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise RunError(f"{file} is damaged: its runs are {quote(rows)}; expected a list of objects.")
    for row in rows:
        for name in ("path", "method"):
            _require(file, row, name, _is_text)
    return shown(content["name"]), [(row["path"], shown(row["method"])) for row in rows]


def shown(value: Any, most: int = _LONGEST_VALUE) -> str:
    """A value of a setting, or a name, as a report prints it: in one short line, different values differently.

    >>> shown("hearth"), shown(0.001), shown(["q_proj"]), shown("a" * 9999)[-14:]
    ('hearth', '0.001', "['q_proj']", 'aaa (5e239d7f)')
    """
    text = value if isinstance(value, str) else str(value)
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    if line == text and len(line) <= most:
        return line
    half = most // 2
    short = line if len(line) <= most else f"{line[:half]}...{line[-half:]}"
    return f"{short} ({sha256(text.encode(errors='surrogatepass')).hexdigest()[:8]})"


def reason_of(error: Exception) -> str:
    """Why something was left out, in a line."""
    text = f"a file cannot be read: {error.strerror}" if isinstance(error, OSError) else str(error)
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}..."


def world_of(content: Mapping[str, Any]) -> str:
    """An environment's id and arguments, as one text; the module that registers it is no part of its name."""
    kwargs = content.get("env_kwargs") or {}
    world = world_name(content["env"])
    return shown(f"{world} {json.dumps(kwargs, sort_keys=True)}" if kwargs else world)


def furthest(found: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Of several results of one player the one over the most episodes; the first of equals."""
    return max(found, key=lambda document: int(document["episodes"]))
