"""`twosome experiment`: carry out a grid of runs, environments x methods x seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from twosome.cli.parse import parse
from twosome.errors import ConfigError
from twosome.trust import Consent


@dataclass(frozen=True)
class Experiment:
    """Train and measure every method in every environment with every seed, as a TOML file says, in parallel.

    Restarted after a crash or kill -9 it goes on where it stood. A run that fails does not stop the others; the exit
    code is then 1. `twosome report` makes tables and curves of the result.

    Examples:
        twosome experiment benchmarks/experiments/quick.toml
        twosome experiment my.toml --dry-run
        twosome experiment my.toml --quick
        twosome experiment my.toml --parallel 4
        twosome experiment my.toml --ray
    """

    file: Annotated[Path, tyro.conf.Positional]
    """TOML file with the environments, methods and seeds; docs/experiments.md explains it."""
    parallel: int | None = None
    """Runs side by side; by default as many as there are cores for their threads."""
    ray: bool = False
    """Spread the runs over a Ray cluster (needs the extra `ray`); its machines must see the same folders."""
    gpus: float = 0.0
    """For --ray: GPUs that each run gets, 0.5 for two runs on one."""
    quick: bool = False
    """A short version, into OUTPUT-quick: the first environment and seed, at most 1,536 decisions and 50 episodes."""
    dry_run: bool = False
    """Check the file and list what would run."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, then carry out the grid."""
    options = parse(Experiment, "experiment", arguments)
    _check(options)
    from twosome.cli.grid import ExecutionOptions, run_grid

    execution = ExecutionOptions(options.parallel, options.ray, options.gpus)
    return run_grid(options.file, execution, quick=options.quick, dry_run=options.dry_run, as_json=options.json)


def _check(options: Experiment) -> None:
    if options.parallel is not None and options.parallel < 1:
        raise ConfigError(f"--parallel is {options.parallel}; expected at least 1.")
    if options.ray and options.parallel is not None:
        raise ConfigError("--parallel means nothing with --ray: the cluster's cores say how many runs it takes.")
    if options.gpus and not options.ray:
        raise ConfigError("--gpus means nothing without --ray: runs on this machine choose with the setting `device`.")
