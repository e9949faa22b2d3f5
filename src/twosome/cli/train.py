"""`twosome train`: train a language model to act in a world."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from twosome.cli.parse import parse
from twosome.cli.plan import print_plan
from twosome.cli.progress import Progress
from twosome.cli.show import show
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.ppo.dry_run import dry_run
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory


@dataclass(frozen=True)
class Train:
    """Train low-rank adapters on a language model by PPO, in a world of text.

    The model scores every action that is valid now; a softmax over the scores is the policy. Everything goes
    into a run directory: settings, metrics, checkpoints. An interrupted run goes on with --resume and ends
    exactly as if it had never been interrupted.

    Defaults shown below are those of --preset for --env.

    Examples:
        twosome train --env TomatoSalad
        twosome train --env TomatoLettuceSalad --env-kwargs '{"task": "onion salad"}' --total-steps 40000
        twosome train --env TomatoSalad --model ./my-model --preset paper --gradient-accumulation 8
        twosome train --model ./my-model --dtype bfloat16 --memory-budget-gib 20 --dry-run
        twosome train --resume runs/TomatoSalad-1
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    resume: Path | None = None
    """Go on with the run in this folder, with its own settings; no other setting can be given."""
    dry_run: bool = False
    """Load the model, play a little, say how much memory and time the run would take, and leave nothing behind."""
    show: bool = True
    """End with a comparison over fresh episodes, the learning curve and a film of an episode."""
    json: bool = False
    """Print one JSON document about the finished run, or about the dry one, and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, train, report."""
    default = _defaults(arguments)
    options = parse(Train, "train", arguments, Train(default))
    config = options.config
    if options.resume is not None:
        if _other_settings(arguments):
            raise ConfigError(
                f"--resume {options.resume} goes on with the settings in its config.json; "
                "leave out the other settings, or begin a new run with them."
            )
        config = TrainConfig.from_json(RunDirectory.open(options.resume).read_config())
    else:
        text.make(config.env, **config.env_kwargs).close()
        if options.dry_run:
            print_plan(dry_run(config), as_json=options.json)
            return 0
        config = dataclasses.replace(config, output=config.folder)

    with Progress(config, quiet=options.json) as progress:
        path = train(config, progress.update) if options.resume is None else resume(options.resume, progress.update)

    if options.json:
        print(json.dumps(_document(path)))  # noqa: T201 - the document is the output
    elif options.show:
        show(path)
    else:
        sys.stdout.write(f"The run is in {path}. Look at it with: twosome show {path}\n")
    return 0


def _other_settings(arguments: Sequence[str]) -> list[str]:
    flags = [word.split("=")[0] for word in arguments if word.startswith("--")]
    return [flag for flag in flags if flag not in {"--resume", "--no-show", "--json"}]


def _defaults(arguments: Sequence[str]) -> TrainConfig:
    """The preset's settings for the environment on the command line, so that --help shows them."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--env", default=TrainConfig.env)
    first.add_argument("--preset", default="default")
    known, _ = first.parse_known_args([word for word in arguments if word not in {"-h", "--help"}])
    return TrainConfig(env=known.env, preset=known.preset)


def _document(path: Path) -> dict[str, Any]:
    run = RunDirectory.open(path)
    metrics = run.read_metrics()
    return {
        "run": str(path),
        "checkpoint": run.checkpoint("last").name,
        "config": run.read_config(),
        "last": metrics[-1] if metrics else None,
    }
