"""Whether the model of a run is the one that it was trained on, by the hashes of its files."""

import warnings
from collections.abc import Mapping

from twosome import models
from twosome.config import TrainConfig
from twosome.errors import RunError, quote
from twosome.trust import ChangedRunWarning


def model_files(config: TrainConfig) -> dict[str, str]:
    """SHA-256 of each file that decides what the model of a run is before training, by its name.

    Raises:
        ModelError: the model is not on this machine.
    """
    return models.file_hashes(config.model, weights=not config.random_init)


def require_same_model(recorded: Mapping[str, str], config: TrainConfig, *, allow_other: bool) -> dict[str, str]:
    """Check that the model of a run is the one that it was trained on.

    Args:
        recorded: what `model_files` said when the run began.
        config: the run's settings.
        allow_other: take the model as it is.

    Returns:
        What `model_files` says now.

    Raises:
        RunError: it is another.
    """
    found = model_files(config)
    if found == recorded:
        return found
    name = next(name for name in sorted({*found, *recorded}) if found.get(name) != recorded.get(name))
    expected, actual = (files.get(name, "none")[:16] for files in (recorded, found))
    other = (
        f"the model {quote(config.model)} is not the one that the run was trained on: its {quote(name)} has the "
        f"SHA-256 {actual}..., expected {expected}..."
    )
    if allow_other:
        warnings.warn(f"{other} It is taken all the same, as was asked for.", ChangedRunWarning, stacklevel=3)
        return found
    raise RunError(
        f"{other} Put the model back, name it where it is now as `model` in the "
        "run's config.json, or take this one all the same with --allow-other-model (in Python: allow_other_model=True)."
    )
