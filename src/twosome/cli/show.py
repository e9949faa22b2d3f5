"""`twosome show`: table, learning curve and film of a run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from twosome.cli.parse import parse
from twosome.config import TrainConfig
from twosome.console import announce
from twosome.errors import RunError
from twosome.report.checks import checked_metrics
from twosome.runs import RunDirectory
from twosome.setting_types import require_at_least
from twosome.trust import Consent, is_finished, read_settings


@dataclass(frozen=True)
class Show:
    """Compare a run with random play, the untrained model and the optimal planner; draw its learning curve and a film.

    Examples:
        twosome show runs/TomatoSalad-1
        twosome show runs/TomatoSalad-1 --episodes 500 --json
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    episodes: int = 100
    """Fresh episodes for each row of the table."""
    seed: int = 1000
    """Episode i is reset with seed + i."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, measure, draw."""
    options = parse(Show, "show", arguments)
    require_at_least("episodes", options.episodes, 1)
    require_at_least("seed", options.seed, 0)
    run = RunDirectory.open(options.run)
    metrics = checked_metrics(run)
    if not options.json:
        _require_metrics(options.run, metrics)
    run.checkpoint()
    finished = is_finished(run, read_settings(run))
    announce("Loading PyTorch and the models ...", quiet=options.json)
    from twosome.cli.showing import measure, save_measurements, show

    if options.json:
        worlds = measure(options.run, options.episodes, options.seed)
        results = [result for rows in worlds.values() for _, result in rows]
        decisions = metrics[-1]["decisions"] if metrics else 0
        print(json.dumps({"run": str(options.run), "decisions": decisions, "rows": results}))  # noqa: T201 - the output
    else:
        worlds = show(options.run, options.episodes, options.seed)
        if finished:
            save_measurements(options.run, worlds)
    return 0


def _require_metrics(path: Path, metrics: list[dict[str, Any]]) -> None:
    """Check that there is an update to draw, or raise RunError."""
    if metrics:
        return
    if TrainConfig.from_json(RunDirectory.open(path).read_config()).num_updates == 0:
        raise RunError(f"{path} has no update to draw, being imitation alone. Measure it: twosome eval {path}")
    raise RunError(f"{path} has no update to show yet. Go on with it: twosome train --resume {path}")
