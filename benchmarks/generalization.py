"""Train on FoodPreparation, HouseholdTask and TomatoSalad, seeds 1 to 5, and test each run on tasks that it never met.

    python benchmarks/generalization.py
    python benchmarks/generalization.py --normalization none         # without HouseholdTask
    python benchmarks/generalization.py --seeds 1 --worlds FoodPreparation --episodes 2 --total-steps 512

Runs are those of learning.py, in runs/benchmark/: finished ones are not trained again. Options that are not listed
by --help go to `twosome train`. Writes benchmarks/results/generalization.json, or generalization-none.json, and prints
its tables; every number, task by task, stays in each run's folder as generalization-PANEL.json.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

from learning import RUNS, SEEDS, train, twosome, write_result
from tables import with_normalization

from twosome.bench.document import document
from twosome.evaluate.panel import rows
from twosome.scoring import Normalization

WORLDS = {
    "FoodPreparation": ("paper", "household"),
    "HouseholdTask": ("paper", "household"),
    "TomatoSalad": ("kitchens",),
}
"""What is trained on, to the panels that it is tested on."""
MEASURED: dict[str, tuple[str, ...]] = {"none": ("FoodPreparation", "TomatoSalad")}
"""The worlds of a normalization's results, where they are not all: HouseholdTask takes as long as the other two."""
KEPT = ("tasks", "episodes", "success_rate", "success_ci95", "return_mean", "return_ci95", "length_mean")


def measure(world: str, seed: int, options: argparse.Namespace, extra: list[str]) -> dict[str, Any]:
    """Train one seed or take the run that is there, and test it on its panels."""
    name = with_normalization(world, options.normalization)
    learned = train(world, seed, options.threads, ["--normalization", options.normalization, *extra], name)
    folder = RUNS / f"{name}-{seed}"
    episodes = [] if options.episodes is None else ["--episodes", str(options.episodes)]
    panels: dict[str, dict[str, Any]] = {}
    for panel in WORLDS[world]:
        result = twosome("generalize", str(folder), "--panel", panel, "--threads", str(options.threads), *episodes)
        panels[panel] = {
            **{key: result[key] for key in ("panel_hash", "episodes_per_task", "seed", "gain") if key in result},
            "num_tasks": len(result["tasks"]),
            "adapter": result["players"]["trained"]["adapter"],
            "rows": {title: _small(row, result["players"]) for title, row in rows(result)},
        }
    at_home = {name: learned[name] for name in ("return_mean", "success_rate")}
    return {"seed": seed, "decisions": learned["decisions"], "at_home": at_home, "panels": panels}


def _small(row: Mapping[str, Any], players: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept of each player's summary."""
    return {who: {name: row[who][name] for name in KEPT if name in row[who]} for who in players}


def tables(result: dict[str, Any]) -> str:
    """The result as Markdown: a table for each panel."""
    panels = dict.fromkeys(panel for runs in result["worlds"].values() for panel in runs[0]["panels"])
    return "\n\n".join(
        _panel_table({world: runs for world, runs in result["worlds"].items() if panel in runs[0]["panels"]}, panel)
        for panel in panels
    )


def _panel_table(worlds: dict[str, Any], panel: str) -> str:
    first = next(iter(worlds.values()))[0]["panels"][panel]
    header = ["task", "random", "untrained", *(f"trained on `{world}`" for world in worlds), "optimum"]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, row in first["rows"].items():
        trained = [
            _over_seeds([run["panels"][panel]["rows"][name]["trained"] for run in runs]) for runs in worlds.values()
        ]
        lines.append([name, _cell(row["random"]), _cell(row["untrained"]), *trained, _cell(row["planner"])])
    seeds = " and ".join(
        f"{len(runs)} seed{'s' if len(runs) > 1 else ''} of `{world}`" for world, runs in worlds.items()
    )
    note = (
        f"Panel `{panel}`: {first['num_tasks']} tasks, {first['episodes_per_task']} episodes each. Success, and below "
        f"it the discounted return; trained: median over {seeds}, in brackets the least and the greatest."
    )
    return note + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(summary: dict[str, Any]) -> str:
    return f"{summary['success_rate']:.0%}<br>{summary['return_mean']:.2f}"


def _over_seeds(summaries: Sequence[dict[str, Any]]) -> str:
    def spread(name: str, form: str) -> Iterator[str]:
        values = [summary[name] for summary in summaries]
        yield from (form.format(value) for value in (statistics.median(values), min(values), max(values)))

    success, mean = (
        "**{}** ({} to {})".format(*spread(*what)) for what in (("success_rate", "{:.0%}"), ("return_mean", "{:.2f}"))
    )
    return f"{success}<br>{mean}"


def main() -> None:
    """Train, test, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--worlds", nargs="+", default=None, choices=WORLDS)
    parser.add_argument("--episodes", type=int, default=None, help="of each task; by default as the command does")
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each run")
    parser.add_argument("--normalization", default="word", choices=get_args(Normalization))
    options, extra = parser.parse_known_args()
    everything = MEASURED.get(options.normalization, tuple(WORLDS))
    options.worlds = options.worlds or everything

    with ThreadPoolExecutor(options.parallel) as pool:
        worlds = {
            world: list(pool.map(lambda seed, world=world: measure(world, seed, options, extra), options.seeds))
            for world in options.worlds
        }
    command = " ".join(["python", "benchmarks/generalization.py", *sys.argv[1:]])
    result = document(command, {"worlds": worlds})
    name = with_normalization("generalization", options.normalization)
    print(tables(result))
    whole = options.seeds == SEEDS and set(options.worlds) == set(everything) and options.episodes is None and not extra
    write_result(name, result, whole=whole)


if __name__ == "__main__":
    main()
