"""Opening a run that may come from anywhere: what needs consent, and what must be as the run left it.

A run names code that is not its own: a model that may bring Python files, and a module that registers its environment.
Neither is loaded unless the caller says so, whatever the run's config.json says. A checkpoint is accepted if its
files, its entries, config.json and the beginning of the metrics are what they were when it was written; see
docs/trust.md for what that protects from.
"""

import json
import sys
import warnings
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from twosome.checkpoint_schema import files_of, read_state
from twosome.config import TrainConfig
from twosome.errors import CheckpointError, RunError, quote
from twosome.run_files import CONFIG, read_json
from twosome.runs import MANIFEST, METRICS, RunDirectory

CHANGEABLE = (
    "output",
    "model",
    "device",
    "shard_model",
    "max_tokens_per_forward",
    "memory_budget_gib",
    "gradient_checkpointing",
    "threads",
    "env_workers",
    "step_timeout",
    "max_lost",
    "checkpoint_every",
    "keep_checkpoints",
    "track",
    "trust_remote_code",
)
"""Settings that may be changed in the config.json of a run: where and how it is computed, not what."""


class ChangedRunWarning(UserWarning):
    """Something of a run is not as it was, or nobody can say whether it is."""


@dataclass(frozen=True)
class RunConsent:
    """Flags about what a run came with; for commands that have --trust-remote-code already."""

    trust_env_module: bool = False
    """Import the modules that register the environment and the algorithm, if a run or a file names any. Only for
    sources you trust."""
    allow_other_model: bool = False
    """Take a run's model as it is now, also if it is not the one that the run was trained on."""


@dataclass(frozen=True)
class Consent(RunConsent):
    """What may be done with a run only because whoever opens it says so."""

    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for sources you trust."""

    def flags(self) -> list[str]:
        """The same for another command line."""
        return [f"--{name.replace('_', '-')}" for name, given in vars(self).items() if given]

    def __or__(self, other: "Consent") -> "Consent":
        """What either consents to."""
        return Consent(*(a or b for a, b in zip(astuple(self), astuple(other), strict=True)))


_granted = [Consent()]


def grant(consent: Consent) -> None:
    """Consent on behalf of this process, in place of what was consented to before; for a command line."""
    _granted[0] = consent


def granted() -> Consent:
    """What the command line of this process consents to."""
    return _granted[0]


def read_settings(
    run: RunDirectory,
    consent: Consent | None = None,
    *,
    loads: bool = True,
    plays: bool = True,
    trains: bool = False,
) -> TrainConfig:
    """The settings of a run, once what they would load is consented to.

    Args:
        run: the run.
        consent: what the caller allows, beside the command line.
        loads: whether the run's model will be loaded.
        plays: whether the run's own environment will be made.
        trains: whether the run will go on, by its own algorithm.

    Raises:
        ConfigError: a setting is unknown or out of range.
        RunError: consent is missing.
    """
    config = TrainConfig.from_json(run.read_config())
    consent = (consent or Consent()) | granted()
    if loads:
        require_code_consent(config, consent.trust_remote_code, f"the run in {run.path}")
    if plays:
        for env in config.envs:
            require_consent(env, consent.trust_env_module, f"the run in {run.path}")
    if trains:
        require_consent(config.algorithm, consent.trust_env_module, f"the run in {run.path}", "algorithm")
    return config


def require_code_consent(config: TrainConfig, consented: bool, whose: str) -> None:
    """Check that Python code that comes with a model may run, where the settings ask for it, or raise RunError."""
    if config.trust_remote_code and not consented:
        raise RunError(
            f"{whose} wants to run Python code that comes with the model {quote(config.model)}. If you trust both, "
            "say --trust-remote-code (in Python: trust_remote_code=True)."
        )


def require_consent(env: str, consented: bool, whose: str, what: str = "environment") -> None:
    """Check that the module of an environment, or of what else is named, may be imported; an imported one runs no code.

    Raises:
        RunError: consent is missing.
    """
    module = env.rpartition(":")[0]
    if module and module not in sys.modules and not consented:
        raise RunError(
            f"{whose} wants to import the Python module {quote(module)} for its {what} {quote(env)}. If you trust it, "
            "say --trust-env-module (in Python: trust_env_module=True, or import the module first)."
        )


def consent_needed(config: TrainConfig) -> str:
    """The flags, each after a blank, without which a run of these settings cannot be opened by another command."""
    imports = any(":" in name for name in (*config.envs, config.algorithm))
    needed = Consent(trust_env_module=imports, trust_remote_code=config.trust_remote_code)
    return "".join(f" {flag}" for flag in needed.flags())


def open_checkpoint(run: RunDirectory, which: str, config: TrainConfig) -> tuple[Path, dict[str, Any]]:
    """Folder of a checkpoint and the content of its state.json, once it is what it was when it was written.

    Raises:
        CheckpointError: there is none, a file is missing or has changed, or an entry is not what it must be.
        RunError: config.json or the metrics have changed since.
    """
    folder = run.verified_checkpoint(which)
    missing = [name for name in files_of(config) if name not in read_json(folder / MANIFEST)]
    if missing:
        raise CheckpointError(
            f"the checkpoint {folder} is damaged: its {MANIFEST} does not name {', '.join(missing)}; expected "
            f"{', '.join(files_of(config))}. Restore it from a copy, or delete the folder to go on from the one before."
        )
    state = read_state(folder, config)
    if "settings" not in state:
        warnings.warn(
            f"{run.path} was made before runs kept hashes of their settings, metrics and model: nobody can say whether "
            "those have changed since. It is taken as it is; checkpoints that are written from now on have them.",
            ChangedRunWarning,
            stacklevel=2,
        )
        return folder, state
    _require_same(run, folder, state, config)
    return folder, state


def require_unchanged(run: RunDirectory, config: TrainConfig) -> None:
    """Check config.json and the metrics against the last checkpoint, if there is one; its other files are not read.

    Raises:
        CheckpointError: an entry of it is not what it must be.
        RunError: config.json or the metrics have changed since.
    """
    if not run.checkpoints():
        return
    folder = run.checkpoint()
    state = read_state(folder, config)
    if "settings" in state:
        _require_same(run, folder, state, config)


def _require_same(run: RunDirectory, folder: Path, state: dict[str, Any], config: TrainConfig) -> None:
    """Check config.json and the metrics against what a checkpoint has of them."""
    _require_same_settings(run, folder, state["settings"], config)
    if run.metrics_hash(state["metrics_bytes"]) != state["metrics_sha256"]:
        raise RunError(
            f"{run.path / METRICS} was changed: its first {state['metrics_bytes']} bytes are not those which it had "
            f"when {folder.name} was written. Restore it from a copy."
        )


def is_finished(run: RunDirectory, config: TrainConfig) -> bool:
    """Whether nothing is left to train; the checkpoint that says so is opened as any other.

    Raises:
        RunError: see `open_checkpoint`.
    """
    if not run.is_finished(config.num_updates * config.batch_size):
        return False
    open_checkpoint(run, "last", config)
    return True


def _require_same_settings(run: RunDirectory, folder: Path, then: dict[str, Any], config: TrainConfig) -> None:
    """Check config.json against the settings that a checkpoint was written with, and warn of those that may change."""
    try:
        then = TrainConfig.completed(then)
    except (RunError, ValueError, TypeError) as error:
        raise CheckpointError(f"the checkpoint {folder} is damaged: its settings are none. {error}") from error
    now = config.to_json()
    changed = [name for name in {**now, **then} if json.dumps(now.get(name)) != json.dumps(then.get(name))]
    words = {name: f"{name} is {quote(now.get(name))} and was {quote(then.get(name))}" for name in changed}
    if fixed := [words[name] for name in changed if name not in CHANGEABLE]:
        raise RunError(
            f"{run.path / CONFIG} was changed: {'; '.join(fixed)} when {folder.name} was written. Put it back, or "
            f"begin a new run with what you want. Only these may be changed in a run: {', '.join(CHANGEABLE)}."
        )
    if changed:
        warnings.warn(
            f"{run.path / CONFIG} was changed: {'; '.join(words.values())} when {folder.name} was written. The run "
            "goes on with what it says now.",
            ChangedRunWarning,
            stacklevel=4,
        )
