"""What `twosome retain` asks of lm-evaluation-harness, and what can be refused before a model is loaded."""

import importlib.util
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


def check_retain(run: Path, *, limit: int | None, checkpoint: str, batch_size: int, threads: int) -> TrainConfig:
    """Settings of a run whose model can be asked.

    Raises:
        MissingExtraError: lm-evaluation-harness is not installed.
        ConfigError: an option is out of range, or the run has no adapter.
        RunError: there is no such run, or it has no such checkpoint.
    """
    for name, value in {"limit": limit, "batch-size": batch_size, "threads": threads}.items():
        if value is not None:
            require_at_least(name, value, 1)
    directory = RunDirectory.open(run)
    config = read_settings(directory, plays=False)
    require_lora(config, str(run))
    require_harness()
    directory.checkpoint(checkpoint)
    return config


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
