"""All runs below a folder as one table of pandas, for notebooks."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from twosome.extras import require_package
from twosome.report.collect import collect

if TYPE_CHECKING:
    import pandas


def load_runs(folder: str | Path) -> "pandas.DataFrame":
    """The metrics of all runs below a folder: a row for each update of each run, in each of its environments.

    Beside the metrics, which docs/metrics.md explains, each row says which run it is of: `environment`, `method`,
    `seed`, `run` (its folder), whether it is `finished`; and what its final policy was measured to be over fresh
    episodes, `final_return` and `final_success`, which are missing where it was not. A run without an update has no
    row.

    Args:
        folder: of an experiment, or any folder with runs below it.

    Returns:
        The table; `attrs["unreadable"]` has the runs that are damaged or repeat another, each with the reason.

    Raises:
        RunError: there is no run.
        MissingExtraError: pandas is not installed.
    """
    require_package("pandas", "pandas", "twosome.load_runs")
    import pandas

    found = collect(Path(folder))
    rows: list[dict[str, Any]] = []
    for run in found.runs:
        final = (run.finished and run.evaluation) or {}
        which = {
            "environment": run.world,
            "method": run.method,
            "seed": int(run.config["seed"]),
            "run": str(run.path),
            "finished": run.finished,
            "final_return": final.get("return_mean"),
            "final_success": final.get("success_rate"),
        }
        rows += [which | row for row in run.metrics]
    table = pandas.DataFrame(rows)
    table.attrs["unreadable"] = found.unreadable
    return table
