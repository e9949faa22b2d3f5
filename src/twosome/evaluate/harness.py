"""What `twosome retain` asks of lm-evaluation-harness, and what can be refused before a model is loaded."""

import importlib.util
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from twosome.config import TrainConfig
from twosome.errors import ConfigError, MissingExtraError
from twosome.runs import RunDirectory
from twosome.setting_types import require_at_least
from twosome.trust import read_settings

TASKS = ("hearth_cloze", "hearth_next_step", "hearth_affordance", "hearth_where_is", "hearth_grammar")
"""The multiple-choice tasks that ship with the package."""
SHIPPED = (*TASKS, "hearth_perplexity")
PERPLEXITY = "word_perplexity"
_ONE_MODEL = ("model", "dtype", "quantization", "device", "random_init")
"""Settings in which runs agree whose models are the same without their adapters."""


def check_retain(
    runs: Sequence[Path], *, limit: int | None, checkpoint: str, batch_size: int, threads: int
) -> list[TrainConfig]:
    """Settings of runs whose models can be asked, and are one model without their adapters.

    Raises:
        MissingExtraError: lm-evaluation-harness is not installed.
        ConfigError: an option is out of range, a run has no adapter, is named twice, or is of another model.
        RunError: there is no such run, or it has no such checkpoint.
    """
    for name, value in {"limit": limit, "batch-size": batch_size, "threads": threads}.items():
        if value is not None:
            require_at_least(name, value, 1)
    if not runs:
        raise ConfigError("no run is named; expected at least one run's folder: twosome retain runs/my-run.")
    configs = []
    for run in runs:
        directory = RunDirectory.open(run)
        configs.append(read_settings(directory, plays=False))
        require_lora(configs[-1], str(run))
        directory.checkpoint(checkpoint)
    if twice := [str(run) for run, count in Counter(run.resolve() for run in runs).items() if count > 1]:
        raise ConfigError(f"{twice[0]} is named twice; name each run once.")
    models = [[getattr(config, name) for name in _ONE_MODEL] for config in configs]
    for run, config, model in zip(runs, configs, models, strict=True):
        if model != models[0] or (config.random_init and config.seed != configs[0].seed):
            names = [name for name, one, other in zip(_ONE_MODEL, models[0], model, strict=True) if one != other]
            raise ConfigError(
                f"{runs[0]} and {run} differ in {', '.join(names or ['the seed of their random weights'])}; expected "
                "runs of one model, which is asked once for all of them. Call the command for each."
            )
    require_harness()
    return configs


def require_lora(config: TrainConfig, run: str) -> None:
    """Raise ConfigError unless a run of these settings has an adapter, which can be turned off."""
    if config.tuning != "lora":
        raise ConfigError(
            f"{run} was trained with --tuning {config.tuning}, and retention compares a model with its adapter on and "
            "off. Take a run with --tuning lora, or give the checkpoint's folder to lm-evaluation-harness as a model."
        )


def require_harness() -> None:
    """Raise MissingExtraError unless lm-evaluation-harness is installed."""
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtraError(
            "retention is measured with lm-evaluation-harness, which is not installed: pip install 'twosome[retention]'"
        )
