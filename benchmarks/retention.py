"""Train on FoodPreparation, seeds 1 to 5, and test whether that cost the model any language ability.

    python benchmarks/retention.py
    python benchmarks/retention.py --seeds 1 --limit 20 --total-steps 512

Runs are those of learning.py, in runs/benchmark/: finished ones are not trained again. Options that are not listed
by --help go to `twosome train`. Writes benchmarks/results/retention.json and prints its table. Needs the extra
`retention`.
"""

import argparse
import sys
from typing import Any

from learning import SEEDS, finished_run, twosome, write_result

from twosome.bench.document import document

WORLD = "FoodPreparation"


def measure(seed: int, options: argparse.Namespace, extra: list[str]) -> dict[str, Any]:
    """Train one seed or take the run that is there, and test it on the tasks that ship with the package."""
    folder = finished_run(WORLD, seed, options.threads, extra)
    limit = [] if options.limit is None else ["--limit", str(options.limit)]
    result = twosome("retain", str(folder), "--threads", str(options.threads), *limit)
    return {"seed": seed, **{name: result[name] for name in ("adapter", "limit", "tasks", "all")}}


def tables(result: dict[str, Any]) -> str:
    """The result as Markdown: a row for each task, a column for each seed."""
    seeds = result["seeds"]
    header = ["task", "items", "before", *(f"seed {seed['seed']}" for seed in seeds)]
    lines = [header, ["---"] + ["---:"] * (len(header) - 1)]
    for name, first in seeds[0]["tasks"].items():
        rows = [seed["tasks"][name] for seed in seeds]
        form = "{:.3f}" if "ratio" in first else "{:.1%}"
        cells = [form.format(first["base"]), *(form.format(row["trained"]) for row in rows)]
        lines.append([name.removeprefix("hearth_").replace("_", " "), str(first["items"]), *cells])
    means = [seed["all"] for seed in seeds]
    lines += [
        [
            "**mean accuracy**",
            str(means[0]["items"]),
            f"{means[0]['base']:.1%}",
            *(f"**{row['trained']:.1%}**" for row in means),
        ],
        ["points lost (95 % interval)", "", "", *(_points(row) for row in means)],
        ["items lost / won", "", "", *(f"{row['lost']} / {row['won']}" for row in means)],
        ["*less than one point lost*", "", "", *(row["claim"] for row in means)],
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _points(row: dict[str, Any]) -> str:
    low, high = row["drop_ci95"]
    return f"{100 * row['drop']:.1f} ({100 * low:.1f} to {100 * high:.1f})"


def main() -> None:
    """Train, test, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--limit", type=int, default=None, help="items of each task; by default all")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of each run")
    options, extra = parser.parse_known_args()

    command = " ".join(["python", "benchmarks/retention.py", *sys.argv[1:]])
    content = {
        "world": WORLD,
        "seeds": [measure(seed, options, extra) for seed in options.seeds],
    }
    result = document(command, content)
    print(tables(result))
    write_result("retention", result, whole=options.seeds == SEEDS and options.limit is None and not extra)


if __name__ == "__main__":
    main()
