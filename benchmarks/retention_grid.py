"""What each method of a grid cost the model in language ability, after the grid's runs are finished.

    twosome experiment benchmarks/experiments/normalization.toml
    python benchmarks/retention_grid.py normalization
    python benchmarks/retention_grid.py methods --methods ppo --worlds Entertainment TomatoLettuceSalad

Every run is tested on the tasks that ship with the package; one that was tested before is not tested again. Writes
benchmarks/results/retention-NAME.json. Needs the extra `retention`.
"""

import argparse
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from learning import write_result
from retention_ways import retained
from tables import ROOT

from twosome.bench.document import document
from twosome.report.collect import Run, collect


def measure(run: Run) -> dict[str, Any]:
    """What one run earns and what it lost."""
    assert run.evaluation is not None
    return {
        "world": _world(run),
        "method": run.method,
        "seed": run.config["seed"],
        "return_mean": run.evaluation["return_mean"],
        **retained(run.path),
    }


def _world(run: Run) -> str:
    return run.world.removesuffix("-v0")


def main() -> None:
    """Test, write, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of a grid in benchmarks/experiments")
    parser.add_argument("--methods", nargs="+", default=None, help="by default all")
    parser.add_argument("--worlds", nargs="+", default=None, help="by default all")
    parser.add_argument("--runs", type=Path, default=ROOT / "runs", help="folder that holds the grids' folders")
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    options = parser.parse_args()
    runs = [run for run in collect(options.runs / options.name).runs if run.finished and run.evaluation is not None]
    runs = [run for run in runs if options.methods is None or run.method in options.methods]
    runs = [run for run in runs if options.worlds is None or _world(run) in options.worlds]
    with ThreadPoolExecutor(options.parallel) as pool:
        rows = list(pool.map(measure, runs))
    given = {"--methods": options.methods, "--worlds": options.worlds}
    chosen = [word for option, values in given.items() if values is not None for word in (option, *values)]
    command = " ".join(["python", "benchmarks/retention_grid.py", options.name, *chosen])
    for row in rows:
        print(row)
    write_result(f"retention-{options.name}", document(command, {"runs": rows}), whole=True)


if __name__ == "__main__":
    main()
