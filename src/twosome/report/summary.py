"""The numbers of a report, as one plain JSON document; what the pages show is taken from it."""

import itertools
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from twosome.report.checks import furthest, shown
from twosome.report.collect import Collection, Run, differing
from twosome.report.curve import decisions_to, points
from twosome.statistics import improvement_interval, iqm, iqm_interval, probability_of_improvement

SHARE_OF_OPTIMUM = 0.9
_WAYS = ("context_free_prompt", "target_entropy", "prior_weight", "prompt_format", "dtype", "quantization")
"""How a model is asked, beside the normalization."""
_MEASURED = ("return_mean", "return_ci95", "success_rate", "episodes", "model", "normalization")


def summarize(collection: Collection) -> dict[str, Any]:
    """All numbers: environment by environment, over all environments, and what they were made with."""
    by_env = defaultdict[str, list[Run]](list)
    for run in collection.runs:
        by_env[run.world].append(run)
    worlds = {name: _world(runs, collection.references.get(name, {})) for name, runs in sorted(by_env.items())}
    return {
        "worlds": worlds,
        "all_worlds": _all_worlds(worlds),
        "unreadable": collection.unreadable,
        "versions": _distinct([run.versions for run in collection.runs], without="env"),
        "hardware": _distinct([(run.evaluation or {}).get("hardware", {}) for run in collection.runs]),
    }


def by_method(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method, seed by seed; methods in the order in which they are first met."""
    groups = defaultdict[str, list[Run]](list)
    for run in runs:
        groups[run.method].append(run)
    return {name: sorted(group, key=lambda run: int(run.config["seed"])) for name, group in groups.items()}


def _world(runs: Sequence[Run], references: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    optimum = references.get("planner")
    methods = {name: _method(group, optimum) for name, group in by_method(runs).items()}
    return {
        "references": {**{name: _measured(found) for name, found in references.items()}, **_untrained(runs)},
        "methods": methods,
        "improvement": _improvements([methods]),
        "settings": _settings(by_method(runs)),
    }


def _measured(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in _MEASURED if name in document}


def _untrained(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    measured = [(run.untrained, run.config) for run in runs if run.untrained is not None]
    different = [name for name in _WAYS if len({shown(config.get(name)) for _, config in measured}) > 1]
    found = defaultdict[str, list[Mapping[str, Any]]](list)
    for document, config in measured:
        weights = "random weights" if document.get("random_init") else "untrained"
        ways = [f"{name} {shown(config.get(name))}" for name in different]
        found[", ".join([shown(document["model"]), weights, shown(document["normalization"]), *ways])].append(document)
    return {name: _measured(furthest(documents)) for name, documents in found.items()}


def _method(runs: Sequence[Run], optimum: Mapping[str, Any] | None) -> dict[str, Any]:
    """Seed by seed and together; only runs that are finished and measured count together."""
    seeds = [_seed(run, optimum) for run in runs]
    counted = [seed for seed in seeds if seed["return_mean"] is not None]
    return {
        "seeds": seeds,
        "return": _together([seed["return_mean"] for seed in counted]),
        "success": _together([seed["success_rate"] for seed in counted]),
        "median_decisions_to_90_percent": _median_reached(seeds),
        "also": _also([run for run in runs if run.finished]),
    }


def _also(runs: Sequence[Run]) -> dict[str, dict[str, Any]]:
    """Of each further measurement of the trained runs, by what and where: median, least and greatest over the seeds."""
    found = defaultdict[str, list[float]](list)
    for number in (number for run in runs for number in run.also if not number.method):
        if number.mean is not None:
            found[f"{number.what}, {number.world}" if number.world else number.what].append(float(number.mean))
    return {
        what: {"median": float(statistics.median(values)), "min": min(values), "max": max(values), "seeds": len(values)}
        for what, values in found.items()
    }


def _seed(run: Run, optimum: Mapping[str, Any] | None) -> dict[str, Any]:
    result = run.evaluation if run.finished and run.evaluation is not None else {}
    return {
        "seed": int(run.config["seed"]),
        "path": str(run.path),
        "decisions": run.decisions,
        "budget": run.budget,
        "finished": run.finished,
        "seconds": run.seconds,
        "return_mean": result.get("return_mean"),
        "return_ci95": result.get("return_ci95"),
        "success_rate": result.get("success_rate"),
        "decisions_to_90_percent": _reached(run, optimum),
        "warnings": run.warnings,
    }


def _reached(run: Run, optimum: Mapping[str, Any] | None) -> int | None:
    """None also where the optimum is unknown, or the run discounts its returns otherwise than the environment."""
    if optimum is None or run.config.get("gamma") not in (None, optimum["gamma"]):
        return None
    decisions, returns, _ = points(run.metrics)
    return decisions_to(list(zip(decisions, returns, strict=True)), SHARE_OF_OPTIMUM * optimum["return_mean"])


def _median_reached(seeds: Sequence[Mapping[str, Any]]) -> float | None:
    """Median over the finished seeds; one that never got there counts as infinitely late."""
    reached = [seed["decisions_to_90_percent"] or float("inf") for seed in seeds if seed["finished"]]
    middle = float(statistics.median(reached)) if reached else float("inf")
    return None if middle == float("inf") else middle


def _together(values: Sequence[float]) -> dict[str, Any] | None:
    """IQM with its interval, and median; no interval of a single seed."""
    if not values:
        return None
    array = np.array(values, np.float64)
    interval = [float(bound) for bound in iqm_interval([array])] if len(array) > 1 else None
    return {"iqm": float(iqm(array)), "ci95": interval, "median": float(np.median(array)), "seeds": len(array)}


def _scores(method: Mapping[str, Any]) -> list[float]:
    return [seed["return_mean"] for seed in method["seeds"] if seed["return_mean"] is not None]


def _improvements(worlds: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each two methods that every environment has measured: how probable it is that the first is better."""
    names = [name for name in worlds[0] if all(name in methods and _scores(methods[name]) for methods in worlds)]
    rows = []
    for first, second in itertools.permutations(names, 2):
        pairs = [(np.array(_scores(m[first])), np.array(_scores(m[second]))) for m in worlds]
        interval = improvement_interval(pairs) if all(min(map(len, pair)) > 1 for pair in pairs) else None
        probability = probability_of_improvement(pairs)
        rows.append({"first": first, "second": second, "probability": probability, "ci95": interval})
    return rows


def _all_worlds(worlds: Mapping[str, Mapping[str, Any]]) -> dict[str, Any] | None:
    """Returns on a scale from random play, 0, to the optimum, 1, over all environments; None for a single one."""
    known = {name: world for name, world in worlds.items() if {"random", "planner"} <= set(world["references"])}
    if len(known) < 2:
        return None
    strata = {name: _normalized(name, known.values()) for name in next(iter(known.values()))["methods"]}
    complete = {name: values for name, values in strata.items() if values is not None}
    return {
        "worlds": list(known),
        "methods": {
            name: {
                "iqm": float(iqm(np.concatenate(values))),
                "ci95": [float(bound) for bound in iqm_interval(values)] if min(map(len, values)) > 1 else None,
                "runs": sum(len(scores) for scores in values),
            }
            for name, values in complete.items()
        },
        "improvement": _improvements([world["methods"] for world in known.values()]),
    }


def _normalized(method: str, worlds: Any) -> list[Any] | None:
    """A method's normalized returns in each environment; None if an environment has none of it."""
    values = []
    for world in worlds:
        scores = _scores(world["methods"].get(method, {"seeds": []}))
        low, high = (world["references"][name]["return_mean"] for name in ("random", "planner"))
        if not scores or high <= low:
            return None
        values.append((np.array(scores) - low) / (high - low))
    return values


def _settings(methods: Mapping[str, Sequence[Run]]) -> dict[str, dict[str, Any]]:
    """The settings in which methods differ: for each its value by method."""
    configs = {name: group[0].config for name, group in methods.items()}
    different = differing(list(configs.values()))
    return {setting: {name: config.get(setting) for name, config in configs.items()} for setting in different}


def _distinct(found: Sequence[Mapping[str, Any]], without: str = "") -> list[dict[str, Any]]:
    """Each different object once."""
    rows = [{name: value for name, value in row.items() if name != without} for row in found if row]
    return [row for i, row in enumerate(rows) if row not in rows[:i]]
