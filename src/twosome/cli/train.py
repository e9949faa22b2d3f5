"""`twosome train`: train a language model to act in an environment."""

import argparse
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from twosome import models
from twosome.cli.parse import parse
from twosome.cli.settings import command_from, with_settings
from twosome.config import TrainConfig
from twosome.console import announce, plain_console
from twosome.errors import ConfigError, quote
from twosome.extras import require_extras
from twosome.launch import is_first, num_processes, require_equal_shares
from twosome.progress import Progress
from twosome.run_files import CONFIG
from twosome.runs import RunDirectory
from twosome.setting_types import require_at_least
from twosome.trust import Consent, consent_needed, grant, granted, is_finished, read_settings


@dataclass(frozen=True)
class Train:
    """Train low-rank adapters on a language model by PPO, in an environment of text.

    The model scores every action that is valid now; a softmax over the scores is the policy. Everything goes
    into a run directory: settings, metrics, checkpoints. An interrupted run goes on with --resume and ends
    exactly as if it had never been interrupted.

    Defaults shown below are those of --preset for --env and --model.

    Examples:
        twosome train --env TomatoSalad
        twosome train --env TomatoLettuceSalad --env-kwargs '{"task": "onion salad"}' --total-steps 40000
        twosome train --env TomatoSalad --model ./my-model --preset paper --gradient-accumulation 8
        twosome train --env FoodPreparation --env Entertainment
        twosome train --model ./my-model --dtype bfloat16 --memory-budget-gib 20 --dry-run
        twosome train --resume runs/TomatoSalad-1
        torchrun --nproc-per-node 4 -m twosome train --env TomatoSalad --num-envs 16
    """

    config: TrainConfig
    """The settings; on the command line each is a flag."""
    resume: Path | None = None
    """Go on with the run in this folder, with its own settings; no other setting can be given."""
    dry_run: bool = False
    """Load the model, play a little, say how much memory and time the run would take, and leave nothing behind."""
    ray_workers: int = 0
    """Train on so many workers of a Ray cluster (needs the extra `ray`), and go on when one is lost; 0: here."""
    trust_env_module: bool = False
    """With --resume: import the modules that register the run's environment and algorithm, from sources you trust."""
    allow_other_model: bool = False
    """With --resume: take the model as it is now, also if it is not the one that the run was trained on."""
    no_show: bool = False
    """Leave out what comes at the end: a comparison over fresh episodes, the learning curve, a film of an episode."""
    json: bool = False
    """Print one JSON document about the finished run, or about the dry one, and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, train, report."""
    options = parse_train(arguments)
    config = options.config
    if options.resume is not None:
        if _other_settings(arguments):
            raise ConfigError(
                f"--resume {options.resume} goes on with the settings in its config.json; "
                "leave out the other settings, or begin a new run with them."
            )
        run = RunDirectory.open(options.resume)
        config = read_settings(run, trains=True)
        if is_finished(run, config):
            return _say_finished(options.resume, config, as_json=options.json)
    elif options.trust_env_module or options.allow_other_model:
        raise ConfigError("--trust-env-module and --allow-other-model are about a run that goes on: give --resume.")
    _check(config, options)
    if options.dry_run:
        announce(f"Loading PyTorch and {config.model}, and playing a little ...", quiet=options.json)
        from twosome.cli.plan import print_plan
        from twosome.ppo.dry_run import dry_run

        print_plan(dry_run(config), config, as_json=options.json)
        return 0

    if options.ray_workers:
        path = _run_on_ray(config, options)
    else:
        path = _run(config, options.resume, quiet=options.json or not is_first())
    if not is_first():
        return 0
    # A sharded model is more than this process alone could hold.
    if not (options.json or options.no_show or config.shard_model) and config.num_updates:
        from twosome.cli.showing import save_measurements, show

        save_measurements(path, show(path))
        return 0
    return _say_where(f"The run is in {path}.", path, config, as_json=options.json)


def _say_finished(path: Path, config: TrainConfig, *, as_json: bool) -> int:
    decisions = config.num_updates * config.batch_size
    text = f"{path} is finished: all of its {decisions:,} decisions are made, and nothing is left to train."
    return _say_where(text, path, config, as_json=as_json)


def _say_where(text: str, path: Path, config: TrainConfig, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps(_document(path)))  # noqa: T201 - the document is the output
        return 0
    command = "show" if config.num_updates else "eval"
    plain_console().print(f"{text} Look at it with: twosome {command} {path}{consent_needed(config)}", soft_wrap=True)
    return 0


def parse_train(arguments: Sequence[str]) -> Train:
    """The command that the arguments stand for; see `parse`.

    Raises:
        ConfigError: settings are out of range or contradict each other.
    """
    words = _one_env(arguments)
    train: Train = command_from(parse(with_settings(Train, _defaults(words)), "train", words), Train)
    return train


def _one_env(arguments: Sequence[str]) -> list[str]:
    """The arguments with every --env after the first one among --more-envs.

    >>> _one_env(["--env", "A", "--seed", "1", "--env=B", "--env", "C"])
    ['--env', 'A', '--seed', '1', '--more-envs', 'B', 'C']
    """
    rest: list[str] = []
    envs: list[str] = []
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        if flag.startswith("--"):
            flag = flag.replace("_", "-")  # tyro takes both
        if flag != "--env" or not envs:
            rest.append(f"{flag}{equals}{value}")
            if flag == "--env":
                envs.append(value)
            continue
        value = value if equals else next(words, "")
        if not value or value.startswith("--"):
            raise ConfigError(f"--env is given without a name after {quote(envs[-1] or rest[-1])}; expected one.")
        envs.append(value)
    if len(envs) < 2:
        return rest
    if any(word.partition("=")[0] == "--more-envs" for word in rest):
        raise ConfigError(
            f"--more-envs is given, and --env {len(envs)} times; expected one of the two. Give --env for each "
            "environment."
        )
    return [*rest, "--more-envs", *envs[1:]]


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
    from twosome.envs.named import NamedEnv

    for env in config.envs:
        NamedEnv(env, config.env_kwargs, config.env_workers, config.step_timeout).require_made()


def _run(config: TrainConfig, resumed: Path | None, *, quiet: bool) -> Path:
    with Progress(config, quiet=quiet) as progress:
        from twosome.ppo.train import resume, train

        if resumed is None:
            return train(config, progress.update, progress=False)
        return resume(resumed, progress.update, progress=False)


def _run_on_ray(config: TrainConfig, options: Train) -> Path:
    announce("Starting the workers ...", quiet=options.json)
    from twosome.on_ray import run_on_ray

    path = options.resume or config.folder
    # A run that begins here names its environment on this command line.
    consent = dataclasses.replace(granted(), trust_env_module=granted().trust_env_module or options.resume is None)
    run_on_ray(partial(_begin_or_go_on, config, path.absolute(), options.json, consent), options.ray_workers, path)
    return path


def _begin_or_go_on(config: TrainConfig, path: Path, quiet: bool, consent: Consent) -> None:
    """What each Ray worker does, also when it is started in place of a lost one."""
    from twosome.distributed import is_main

    grant(consent)
    begun = (path / CONFIG).is_file()
    _run(dataclasses.replace(config, output=path), path if begun else None, quiet=quiet or not is_main())


def _other_settings(arguments: Sequence[str]) -> list[str]:
    flags = [word.split("=")[0] for word in arguments if word.startswith("--")]
    own = {"--resume", "--ray-workers", "--no-show", "--json"}
    consent = {"--trust-remote-code", "--trust-env-module", "--allow-other-model"}
    return [flag for flag in flags if flag not in own | consent]


def _defaults(arguments: Sequence[str]) -> TrainConfig:
    """The preset's settings for the environment and model on the command line, so that --help shows them."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--env", default=TrainConfig.env)
    first.add_argument("--more-envs", nargs="*", type=str)
    first.add_argument("--model", default=TrainConfig.model)
    first.add_argument("--preset")
    known, _ = first.parse_known_args([word for word in arguments if word not in {"-h", "--help"}])
    if known.more_envs is not None:
        known.more_envs = tuple(known.more_envs)
    return TrainConfig(**{name: value for name, value in vars(known).items() if value is not None})


def _document(path: Path) -> dict[str, Any]:
    run = RunDirectory.open(path)
    metrics = run.read_metrics()
    return {
        "run": str(path),
        "checkpoint": run.checkpoint("last").name,
        "config": run.read_config(),
        "last": metrics[-1] if metrics else None,
    }
