"""What a checkpoint of a run holds: its files, and every entry of its state.json.

Whoever adds a file adds it to `files_of`; whoever adds an entry to state.json adds it to `_entries`.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from twosome import models
from twosome.config import TrainConfig
from twosome.decision import text_faults
from twosome.errors import CheckpointError, RunError, quote
from twosome.run_files import read_json
from twosome.runs import STATE, RunDirectory

LEARNED = {"lora": models.ADAPTER_WEIGHTS, "full": models.WEIGHTS}
"""The file of a checkpoint that holds what was trained."""
CALIBRATION = "calibration.safetensors"
"""The file of a checkpoint with the temperature and the prior's weight, beside the adapters, where they are learned."""
CRITIC = "critic.safetensors"
OPTIMIZERS = "optimizers.safetensors"
FEATURES = "features.safetensors"
WINDOW = 100
"""Episodes over which the logged means are taken: the latest finished ones."""


def files_of(config: TrainConfig) -> tuple[str, ...]:
    """Names of the files that a checkpoint must have."""
    adapters = (models.ADAPTER_CONFIG,) if config.tuning == "lora" else ()
    calibration = (CALIBRATION,) if config.normalization == "learned" else ()
    return (LEARNED[config.tuning], *adapters, *calibration, CRITIC, OPTIMIZERS, FEATURES, STATE)


def read_state(folder: Path, config: TrainConfig) -> dict[str, Any]:
    """The content of a checkpoint's state.json.

    Raises:
        CheckpointError: an entry is missing, unknown, or not of the kind that it must be.
    """
    try:
        state = read_json(folder / STATE)
        problem = _mismatch(state, _entries(config), "") or _contradiction(state, folder.name, config)
    except RunError as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged: {error}") from error
    if problem:
        raise CheckpointError(
            f"the checkpoint {folder} is damaged: in its {STATE}, {problem}. Restore it from a copy, or delete the "
            "folder to go on from the checkpoint before it."
        )
    return state


@dataclass(frozen=True)
class _Value:
    """A kind of value: what is expected in words, and how to tell."""

    words: str
    test: Callable[[Any], bool]
    optional: bool = False


def _whole(below: int = 2**63) -> _Value:
    return _Value(f"a whole number from 0 to less than {below:,}", lambda v: type(v) is int and 0 <= v < below)


def _is_finite(value: Any) -> bool:
    return type(value) is float and math.isfinite(value)


def _text(pattern: str, words: str) -> _Value:
    return _Value(words, lambda v: isinstance(v, str) and re.fullmatch(pattern, v) is not None)


def _or_null(kind: _Value) -> _Value:
    return _Value(f"{kind.words}, or null", lambda v: v is None or kind.test(v))


def _list_of(count: int, kind: Callable[[Any], bool], words: str) -> _Value:
    return _Value(
        f"a list of {count} {words}", lambda v: isinstance(v, list) and len(v) == count and all(kind(i) for i in v)
    )


def _object_of(kind: _Value, words: str) -> _Value:
    return _Value(f"an object of {words}", lambda v: isinstance(v, dict) and all(map(kind.test, v.values())))


_COUNT = _whole()
_FINITE = _Value("a finite number with a point", _is_finite)
_TRUTH = _Value("true or false", lambda v: isinstance(v, bool))
_HASH = _text("[0-9a-f]{64}", "a SHA-256")
_OBJECT = _Value("an object", lambda v: isinstance(v, dict))
_EPISODE = {"discounted_return": _FINITE, "length": _COUNT, "decisions": _COUNT, "success": _TRUTH}
_PLACE = {"seed": _or_null(_COUNT), "episode": _COUNT, "step": _COUNT}
_COUNTER = {"discounted_return": _FINITE, "discount": _FINITE, "length": _COUNT, "decisions": _COUNT}


def _entries(config: TrainConfig) -> dict[str, Any]:
    """What state.json holds, entry by entry: a `_Value`, an object of such, or a list of one kind."""
    num, several = config.num_envs, len(config.envs)
    episode = _EPISODE if several == 1 else {**_EPISODE, "world": _whole(several)}
    return {
        "update": _whole(config.num_updates + 1),
        "env_steps": _COUNT,
        "num_episodes": _COUNT,
        "episodes_lost": replace(_COUNT, optional=True),
        "unrewarded": replace(_COUNT, optional=True),
        "recent": [episode],
        "best_return": _or_null(_FINITE),
        "best_checkpoint": _or_null(_text(r"step-\d{10}", "the name of a checkpoint")),
        "metrics_bytes": _COUNT,
        "rng": {
            "bit_generator": _text("PCG64", "'PCG64'"),
            "state": {"state": _whole(2**128), "inc": _whole(2**128)},
            "has_uint32": _whole(2),
            "uinteger": _whole(2**32),
        },
        "worlds": {
            "envs": _or_null(_list_of(num, lambda v: isinstance(v, dict), "objects")),
            "elapsed": _list_of(num, _is_counts, "lists of whole numbers"),
            "places": replace(
                _list_of(num, lambda v: _mismatch(v, _PLACE, "") == "", "positions of environments"), optional=True
            ),
            "counters": _list_of(num, lambda v: _mismatch(v, _COUNTER, "") == "", "running episodes"),
        },
        **({"reward_scale": _for_each(_reward_scale(num // several), several)} if config.normalize_rewards else {}),
        **({"episodes_by_world": _counts_of(several), "best_success": _FINITE} if several > 1 else {}),
        **({"own_episodes": _for_each(_own_episodes(num // several), several)} if config.self_imitation_steps else {}),
        **{name: replace(kind, optional=True) for name, kind in _PROVENANCE.items()},
    }


def _counts_of(num: int) -> _Value:
    return _list_of(num, _COUNT.test, "whole numbers")


def _for_each(entries: dict[str, Any], num_worlds: int) -> Any:
    """Of a single environment an object, of several a list of them."""
    if num_worlds == 1:
        return entries
    return _list_of(num_worlds, lambda v: _mismatch(v, entries, "") == "", "objects with what is kept of environments")


def _reward_scale(num_envs: int) -> dict[str, _Value]:
    largest = _Value("a finite number from 0", lambda v: _is_finite(v) and v >= 0)
    return {"largest": largest, "sums": _list_of(num_envs, _is_finite, "finite numbers")}


def _own_episodes(num_envs: int) -> dict[str, Any]:
    running = _Value(
        f"a list of {num_envs} lists of decisions, or an empty one",
        lambda v: isinstance(v, list) and len(v) in (0, num_envs) and all(map(_is_path, v)),
    )
    kept = _Value(
        "a list of lists of decisions, each with a reward above 0",
        lambda v: isinstance(v, list) and all(_is_path(path) and any(deed[2] > 0 for deed in path) for path in v),
    )
    return {"decisions": [_Value("a prompt and its actions", _is_decision)], "running": running, "kept": kept}


def _is_path(value: Any) -> bool:
    """Whether this is what `OwnEpisodes.state` writes of an episode; numbers of decisions are looked at elsewhere."""
    return isinstance(value, list) and all(
        isinstance(deed, list)
        and len(deed) == 4
        and all(_COUNT.test(deed[k]) for k in (0, 1, 3))
        and _is_finite(deed[2])
        for deed in value
    )


def _is_decision(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[1], list)
        and not text_faults(value[0], tuple(value[1]))
        and any(value[1])
    )


def _is_counts(value: Any) -> bool:
    return isinstance(value, list) and all(_COUNT.test(v) or v is None for v in value)


_PROVENANCE = {
    "moments": _object_of(_COUNT, "whole numbers"),
    "metrics_sha256": _HASH,
    "settings": _OBJECT,
    "model_files": _object_of(_HASH, "SHA-256"),
}
"""What ties a checkpoint to the rest of its run; older checkpoints have none of it."""


def _mismatch(value: Any, expected: Any, place: str) -> str:
    """Where and how a value differs from what is expected, in words; empty if it does not."""
    where = place or "the whole"
    if isinstance(expected, _Value):
        return "" if expected.test(value) else f"{where} is {quote(value)}; expected {expected.words}"
    if isinstance(expected, list):
        if not isinstance(value, list):
            return f"{where} is {quote(value)}; expected a list"
        parts = ((item, expected[0], f"{place}[{i}]") for i, item in enumerate(value))
    else:
        if not isinstance(value, dict):
            return f"{where} is {quote(value)}; expected an object"
        needed = {name for name, kind in expected.items() if not (isinstance(kind, _Value) and kind.optional)}
        if missing := sorted(needed - value.keys()):
            return f"{where} lacks {quote(missing[0])}"
        if unknown := sorted(value.keys() - expected.keys()):
            return f"{where} has {quote(unknown[0])}, which is unknown"
        parts = ((item, expected[name], f"{place}.{name}".lstrip(".")) for name, item in value.items())
    return next((found for part in parts if (found := _mismatch(*part))), "")


def _pointless(own: Mapping[str, Any]) -> str:
    """The first deed of an own episode that names a decision or an action which is not there; empty without any."""
    decisions = own["decisions"]
    for path in (*own["running"], *own["kept"]):
        for number, action, *_ in path:
            if number >= len(decisions) or action >= len(decisions[number][1]) or not decisions[number][1][action]:
                return f"own_episodes has the action {action} of the decision {number}, which is not there"
    return ""


def _contradiction(state: Mapping[str, Any], name: str, config: TrainConfig) -> str:
    """Entries that are well by themselves and cannot be true together, in words; empty without any."""
    if RunDirectory.checkpoint_name(state["update"] * config.batch_size) != name:
        return f"update is {state['update']}, which is not the one of {name}"
    if (state["best_return"] is None) != (state["best_checkpoint"] is None):
        return "only one of best_return and best_checkpoint is null"
    counts = state.get("episodes_by_world", [state["num_episodes"]])
    if sum(counts) != state["num_episodes"]:
        return f"episodes_by_world adds up to {sum(counts)}, and num_episodes is {state['num_episodes']}"
    for world, count in enumerate(counts):
        recent = sum(episode.get("world", 0) == world for episode in state["recent"])
        if recent != min(count, WINDOW):
            return f"recent has {recent} episodes of {count}; expected the last {WINDOW}"
    own = state.get("own_episodes", [])
    if problem := next(filter(None, map(_pointless, own if isinstance(own, list) else [own])), ""):
        return problem
    if 0 < len(present := state.keys() & _PROVENANCE.keys()) < len(_PROVENANCE):
        return f"there is {', '.join(sorted(present))} without the others of {', '.join(_PROVENANCE)}"
    return ""
