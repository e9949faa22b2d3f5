"""`twosome train`: train a language model to act in a world."""

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from twosome import models
from twosome.cli.console import announce
from twosome.cli.parse import parse
from twosome.cli.progress import Progress
from twosome.config import TrainConfig
from twosome.errors import ConfigError
from twosome.extras import require_extras
from twosome.launch import is_first, num_processes, require_equal_shares
from twosome.runs import CONFIG, RunDirectory
from twosome.setting_types import require_at_least


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
        torchrun --nproc-per-node 4 -m twosome train --env TomatoSalad --num-envs 16
    """

    config: Annotated[TrainConfig, tyro.conf.arg(name="")]
    resume: Path | None = None
    """Go on with the run in this folder, with its own settings; no other setting can be given."""
    dry_run: bool = False
    """Load the model, play a little, say how much memory and time the run would take, and leave nothing behind."""
    ray_workers: int = 0
    """Train on so many workers of a Ray cluster (needs the extra `ray`), and go on when one is lost; 0: here."""
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
    _check(config, options)
    if options.dry_run:
        announce(f"Loading PyTorch and {config.model}, and playing a little ...", quiet=options.json)
        from twosome.cli.plan import print_plan
        from twosome.ppo.dry_run import dry_run

        print_plan(dry_run(config), as_json=options.json)
        return 0

    if options.ray_workers:
        path = _run_on_ray(config, options)
    else:
        path = _run(config, options.resume, quiet=options.json or not is_first())
    if not is_first():
        return 0
    if options.json:
        print(json.dumps(_document(path)))  # noqa: T201 - the document is the output
    elif options.show and config.num_updates and not config.shard_model:  # which this process alone could not hold
        from twosome.cli.showing import show

        show(path)
    else:
        command = "show" if config.num_updates else "eval"
        sys.stdout.write(f"The run is in {path}. Look at it with: twosome {command} {path}\n")
    return 0


def _check(config: TrainConfig, options: Train) -> None:
    """Refuse what can be refused before PyTorch is loaded and a folder is made."""
    if options.dry_run and (options.ray_workers or num_processes() > 1):
        raise ConfigError("--dry-run plans for one process. Start it without torchrun and --ray-workers.")
    if options.ray_workers:
        require_at_least("ray-workers", options.ray_workers, 1)
    require_equal_shares(config.num_envs, options.ray_workers or num_processes())
    require_extras(track=config.track, quantization=config.quantization, ray=options.ray_workers > 0)
    models.locate(config.model)
    if options.resume is None and not options.dry_run:
        RunDirectory.require_free(config.folder)
    from twosome.envs import text

    text.make(config.env, **config.env_kwargs).close()


def _run(config: TrainConfig, resumed: Path | None, *, quiet: bool) -> Path:
    with Progress(config, quiet=quiet) as progress:
        from twosome.ppo.train import resume, train

        return train(config, progress.update) if resumed is None else resume(resumed, progress.update)


def _run_on_ray(config: TrainConfig, options: Train) -> Path:
    announce("Starting the workers ...", quiet=options.json)
    from twosome.on_ray import run_on_ray

    path = options.resume or config.folder
    run_on_ray(partial(_begin_or_go_on, config, path.absolute(), options.json), options.ray_workers, path)
    return path


def _begin_or_go_on(config: TrainConfig, path: Path, quiet: bool) -> None:
    """What each Ray worker does, also when it is started in place of a lost one."""
    from twosome.distributed import is_main

    begun = (path / CONFIG).is_file()
    _run(dataclasses.replace(config, output=path), path if begun else None, quiet=quiet or not is_main())


def _other_settings(arguments: Sequence[str]) -> list[str]:
    flags = [word.split("=")[0] for word in arguments if word.startswith("--")]
    return [flag for flag in flags if flag not in {"--resume", "--ray-workers", "--no-show", "--json"}]


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
