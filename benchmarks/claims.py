"""From a finished grid of runs to what its page in docs/claims shows: a small result file, and learning curves.

    twosome experiment benchmarks/experiments/defects.toml
    python benchmarks/claims.py defects

Writes benchmarks/results/claim-NAME.json and docs/images/claim-NAME-WORLD.png from runs/NAME; `tables.py` makes the
tables of the result files.
"""

import argparse
import itertools
import json
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tables import IMAGES, RESULTS, ROOT, WORLDS, commit_of, load, markdown, source, spread, with_normalization, worst

from twosome.report.chart import curves_png, levels_of
from twosome.report.collect import Collection, Run, collect
from twosome.report.summary import by_method, summarize
from twosome.statistics import RESAMPLES, probability_of_improvement

KEPT = ("seed", "return_mean", "return_ci95", "success_rate", "decisions_to_90_percent", "decisions", "seconds")
BASES = {"normalization": "word", "defects": "none", "methods": "ppo", "sizes": "hearth"}
"""What the other methods of a grid are compared with."""

WANTED = {"TomatoSalad": 1 / 3, "TomatoLettuceSalad": 2 / 3, "FoodPreparation": 1 / 3}
"""Decisions to 90 % of the optimum that were aimed at, as a part of what PPO from scratch needs."""
SOLVED = 0.95
"""Success rate from which a seed counts as having solved a task."""
NORMALIZATIONS = ("word", "none")
"""The paper's, which is the default, and the one that suits `hearth`."""
PLAYED = {"drawn": "return_mean", "greedy": "greedy_return_mean"}
"""How actions are taken, to what the results of learning.py call the return of it."""
Judged = tuple[str, bool] | None
"""What was measured, and whether that is the goal; None where nothing was."""
Judge = Callable[[list[dict[str, Any]]], Judged]


def distilled(name: str, collection: Collection) -> dict[str, Any]:
    """The numbers of a grid, seed by seed, and what they were made with.

    Raises:
        SystemExit: a run is not finished, or damaged.
    """
    summary = summarize(collection)
    runs = [run for run in collection.runs if run.finished and run.evaluation is not None]
    if summary["unreadable"] or len(runs) < len(collection.runs):
        raise SystemExit(f"{len(runs)} of {len(collection.runs)} runs are finished; {summary['unreadable']}")
    worlds = {
        world: {
            "references": found["references"],
            "methods": {
                method: {
                    **{key: row[key] for key in ("return", "success", "median_decisions_to_90_percent")},
                    "seeds": [{key: seed[key] for key in KEPT} for seed in row["seeds"]],
                }
                for method, row in found["methods"].items()
            },
            "mean_over_training": {
                method: _mean_over_training(runs_of)
                for method, runs_of in by_method([run for run in runs if run.world == world]).items()
            },
            "improvement": [pair for pair in found["improvement"] if pair["second"] == BASES.get(name)],
        }
        for world, found in summary["worlds"].items()
    }
    return {
        "command": f"twosome experiment benchmarks/experiments/{name}.toml",
        "date": date.today().isoformat(),
        "hardware": summary["hardware"],
        "versions": summary["versions"],
        "hours": round(sum(run.seconds for run in runs) / 3600, 2),
        "runs": len(runs),
        "worlds": worlds,
    }


def _mean_over_training(runs: Sequence[Run]) -> float | None:
    """Mean over the updates of the logged return, and over the seeds: what settings are chosen by; None without any."""
    means = [[row["return_mean"] for row in run.metrics if row["return_mean"] is not None] for run in runs]
    return float(np.mean([np.mean(values) for values in means])) if all(means) else None


def table(name: str) -> str:
    """A grid's results: a row for each method in each world, beside those who did not learn."""
    result, parts = load(f"claim-{name}"), []
    base = BASES.get(name)
    for world, found in result["worlds"].items():
        versus = {pair["first"]: pair for pair in found["improvement"]}
        rows = [
            [
                f"**{method}**" if method == base else method,
                f"{row['return']['iqm']:.3f} ({_bounds(row['return']['ci95'])})",
                f"{row['return']['median']:.3f}",
                worst(row["seeds"]),
                _reached(row["seeds"]),
                *([_chance(versus.get(method))] if base else [f"{found['mean_over_training'][method]:.3f}"]),
            ]
            for method, row in found["methods"].items()
        ]
        rows += [
            [f"*{who}*", f"{row['return_mean']:.3f}", "", f"{row['success_rate']:.1%}", "", ""]
            for who, row in found["references"].items()
        ]
        header = [f"`{_bare(world)}`", "return, IQM (95 %)", "median", "worst success", "to 90 %: median (range)"]
        parts.append(markdown([*header, f"better than {base}" if base else "mean over training"], rows))
    return "\n\n".join([*parts, _made_by(result)])


def _made_by(result: dict[str, Any]) -> str:
    """The command of a grid, and with what it was carried out."""
    seeds = sorted({seed["seed"] for found in result["worlds"].values() for seed in _seeds(found)})
    commits = {commit_of(row) for row in result["versions"]}
    cpu = ", ".join(sorted({row["cpu"] for row in result["hardware"]}))
    return (
        f"`{result['command']}`, {result['date']}, commit {', '.join(sorted(commits))}, seeds "
        f"{', '.join(map(str, seeds))}; {result['runs']} runs, {result['hours']:g} hours of training on one "
        f"thread each, {cpu}."
    )


def phrase_length() -> str:
    """How strongly an untrained policy prefers long phrases, under each normalization; written by phrase_length.py."""
    result = load("phrase-length")
    names = list(next(iter(result["worlds"].values()))["policies"])
    rows = [
        [
            f"`{world}`",
            f"{found['decisions']:,}",
            *("{correlation:+.2f} / {flatness:.2f}".format(**found["policies"][name]) for name in names),
        ]
        for world, found in result["worlds"].items()
    ]
    return f"{markdown(['world', 'decisions', *names], rows)}\n\n{source(result)}"


def sizes_models() -> str:
    """What each size knew before training; written by sizes.py."""
    result = load("sizes-models")
    rows = [
        [
            name,
            f"{row['parameters']:,}",
            f"{row['perplexity']:.3f}",
            *(f"{probe['accuracy']:.0%}" for probe in row["probe"].values()),
            *(f"{found['return']:.3f}" for found in row["untrained"].values()),
        ]
        for name, row in result["models"].items()
    ]
    some = next(iter(result["models"].values()))
    header = ["size", "parameters", "perplexity", *some["probe"], *(f"`{world}`" for world in some["untrained"])]
    chance = ", ".join(f"{name} {probe['chance']:.0%}" for name, probe in some["probe"].items())
    return f"{markdown(header, rows)}\n\nChance: {chance}. {source(result)}"


def goals() -> str:
    """What the evidence was meant to show, and what it shows: with the default normalization, and without one."""
    rows = [[*goal, *_judged(default), *_judged(none)] for goal, default, none in _goals()]
    return markdown(["goal", "wanted", "`word`, the default", "reached", "`none`", "reached"], rows)


def _judged(found: Judged) -> list[str]:
    return ["not measured", ""] if found is None else [found[0], "yes" if found[1] else "**no**"]


def prompts() -> str:
    """The ablation of prompts: each world a row, before and after training."""
    result = load("claim-prompts")
    rows = []
    for world, found in sorted(result["worlds"].items(), key=lambda item: item[0] != "TomatoSalad-v0"):
        (method,), references = found["methods"].values(), found["references"]
        untrained = references["hearth, untrained, word"]
        rows.append(
            [
                f"`{_bare(world)}`",
                f"{untrained['return_mean']:.3f}",
                f"{untrained['success_rate']:.1%}",
                f"{method['return']['iqm']:.3f} ({_bounds(method['return']['ci95'])})",
                worst(method["seeds"]),
                _reached(method["seeds"]),
            ]
        )
    header = ["world", "untrained", "success", "trained, IQM (95 %)", "worst success", "to 90 %: median (range)"]
    return f"{markdown(header, rows)}\n\n{_made_by(result)}"


def without_normalization() -> str:
    """The four tasks with `word` and with `none`: return, worst success and decisions to 90 %."""
    rows = []
    for world, name in itertools.product(WORLDS, NORMALIZATIONS):
        result = _learning(world, name)
        if result is not None:
            seeds = result["seeds"]
            untrained = f"{result['untrained']['return_mean']:.3f}"
            cells = [f"{seeds[0]['decisions']:,}", untrained, spread(seeds), worst(seeds), _reached(seeds)]
            rows.append([f"`{world}`, {name}", *cells])
    header = ["world, normalization", "decisions", "untrained", "return: median (range)", "worst success"]
    return markdown([*header, "to 90 %: median (range)"], rows)


def _goals() -> list[tuple[tuple[str, str], Judged, Judged]]:
    """Each goal and what is wanted, then the judgment of both normalizations."""
    scratch = load("ppo-mlp")["worlds"]

    rows: list[tuple[tuple[str, str], Judged, Judged]] = []
    for world, wanted in WANTED.items():
        goal = f"decisions to 90 %, `{world}`, ours / PPO from scratch"
        judge = partial(_sooner, than=scratch[world]["seeds"], wanted=wanted)
        rows.append(((goal, f"at most {wanted:.2f}"), *_both(world, judge, judge)))
    solves = partial(_solves, unlike=scratch["Entertainment"]["seeds"])
    goal = "`Entertainment`, seeds that solve it, ours / PPO from scratch"
    rows.append(((goal, "all / not all"), *_both("Entertainment", solves, solves)))
    earns_more = partial(_earns_more, than=scratch["Entertainment"]["seeds"])
    goal = "`Entertainment`, difference of the mean returns"
    rows.append(((goal, "interval above 0"), *_both("Entertainment", earns_more, earns_more)))
    for (played, key), world in itertools.product(PLAYED.items(), WORLDS):
        goal = f"return, `{world}`, ours / the better SayCan, both {played}"
        word, none = (partial(_beats, key=key, than=_best_saycan(world, name, played)) for name in NORMALIZATIONS)
        rows.append(((goal, "higher"), *_both(world, word, none)))
    return rows


def _both(world: str, word: Judge, none: Judge) -> tuple[Judged, Judged]:
    """The judgment of each normalization's seeds; None where they were not measured."""
    default, other = (_learning(world, name) for name in NORMALIZATIONS)
    return word(default["seeds"]) if default else None, none(other["seeds"]) if other else None


def _best_saycan(world: str, normalization: str, played: str) -> list[dict[str, Any]]:
    """The seeds of the variant with the higher median return, then mean, of those that take actions in one way."""
    seeds = load(with_normalization("saycan", normalization))["worlds"][world]
    measured = [[seed[f"{source}, {played}"] for seed in seeds] for source in ("random", "ppo")]

    def quality(rows: list[dict[str, Any]]) -> tuple[float, float]:
        returns = _values(rows, "return_mean")
        return float(np.median(returns)), float(np.mean(returns))

    return max(measured, key=quality)


def _sooner(ours: list[dict[str, Any]], than: list[dict[str, Any]], wanted: float) -> Judged:
    """The ratio of the medians of decisions to 90 %, with its bootstrap interval over the seeds of both."""
    rng = np.random.default_rng(0)
    reached = [_values(seeds, "decisions_to_90_percent") for seeds in (ours, than)]
    ratio = float(np.median(reached[0]) / np.median(reached[1]))
    ratios = np.median(_drawn(reached[0], rng), axis=1) / np.median(_drawn(reached[1], rng), axis=1)
    return f"{ratio:.2f} ({_percentiles(ratios, 2)})", ratio <= wanted


def _solves(ours: list[dict[str, Any]], unlike: list[dict[str, Any]]) -> Judged:
    solved, others = (sum(seed["success_rate"] >= SOLVED for seed in seeds) for seeds in (ours, unlike))
    return f"{solved} of {len(ours)} / {others} of {len(unlike)}", solved == len(ours) and others < len(unlike)


def _earns_more(ours: list[dict[str, Any]], than: list[dict[str, Any]]) -> Judged:
    rng = np.random.default_rng(0)
    returns = [_values(seeds, "return_mean") for seeds in (ours, than)]
    differences = _drawn(returns[0], rng).mean(axis=1) - _drawn(returns[1], rng).mean(axis=1)
    told = f"{returns[0].mean() - returns[1].mean():.2f} ({_percentiles(differences, 2)})"
    return told, float(np.percentile(differences, 2.5)) > 0


def _beats(ours: list[dict[str, Any]], than: list[dict[str, Any]], key: str) -> Judged:
    earned, theirs = _values(ours, key), _values(than, "return_mean")
    chance = probability_of_improvement([(earned, theirs)])
    return f"{np.median(earned):.3f} / {np.median(theirs):.3f}, {chance:.0%} of pairs", chance > 0.5


def _learning(world: str, normalization: str) -> dict[str, Any] | None:
    """A result of learning.py; None where there is none."""
    name = with_normalization(f"learning-{world}", normalization)
    return load(name) if (RESULTS / f"{name}.json").exists() else None


def _values(seeds: list[dict[str, Any]], key: str) -> NDArray[np.float64]:
    """One number for each seed; one that was never reached is infinite."""
    return np.array([np.inf if seed[key] is None else seed[key] for seed in seeds], np.float64)


def _drawn(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Seeds drawn anew: resamples x seeds."""
    return values[rng.integers(len(values), size=(RESAMPLES, len(values)))]


def _percentiles(values: NDArray[np.float64], digits: int) -> str:
    return _bounds([float(bound) for bound in np.percentile(values, [2.5, 97.5])], digits)


def _bare(world: str) -> str:
    return world.removesuffix("-v0")


def _seeds(world: dict[str, Any]) -> list[dict[str, Any]]:
    return [seed for row in world["methods"].values() for seed in row["seeds"]]


def _bounds(interval: list[float] | None, digits: int = 3) -> str:
    return "-" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}"


def _reached(seeds: list[dict[str, Any]]) -> str:
    """Median and range of decisions to 90 %; a seed that never got there is a dash."""
    reached = _values(seeds, "decisions_to_90_percent")
    middle, low, high = (
        "-" if np.isinf(value) else f"{value:,.0f}" for value in (np.median(reached), reached.min(), reached.max())
    )
    return f"{middle} ({low} to {high})"


def _chance(pair: dict[str, Any] | None) -> str:
    if pair is None:
        return ""
    interval = "" if pair["ci95"] is None else " ({:.0%} to {:.0%})".format(*pair["ci95"])
    return f"{pair['probability']:.0%}{interval}"


def main() -> None:
    """Read the runs, write the result file and the pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME", help="of a grid in benchmarks/experiments")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder that holds the grids' folders")
    options = parser.parse_args()
    for name in options.names:
        collection = collect(options.runs / name)
        content = distilled(name, collection)
        (RESULTS / f"claim-{name}.json").write_text(json.dumps(content, indent=1) + "\n")
        _draw(name, collection, content["worlds"])


def _draw(name: str, collection: Collection, worlds: dict[str, Any]) -> None:
    """A picture of each world; of prompts, where the worlds differ in words alone, a single one."""
    by_world = {world: [run for run in collection.runs if run.world == world] for world in worlds}
    curves = {world: by_method(runs) for world, runs in by_world.items()}
    if name == "prompts":
        curves = {"TomatoSalad-v0": {_bare(world): runs for world, runs in by_world.items()}}
    for world, methods in curves.items():
        levels = {who: at for who, at in levels_of(worlds[world]).items() if who in ("planner", "random")}
        (IMAGES / f"claim-{name}-{_bare(world)}.png").write_bytes(curves_png(methods, levels, _bare(world)))


if __name__ == "__main__":
    main()
