"""Putting the language model of a run, or of a saved agent, together again."""

import copy
import os
from pathlib import Path
from typing import Any

from peft import PeftModel

from twosome import models
from twosome.checkpoint_schema import CALIBRATION, LEARNED
from twosome.config import TrainConfig
from twosome.errors import CheckpointError, ConfigError, RunError, quote
from twosome.files import sha256
from twosome.policy.calibration import Calibration, load_calibration, save_calibration
from twosome.policy.fingerprint import model_files, require_same_model
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.tuning import adapters_of, attach_to, randomize
from twosome.run_files import explain_write_errors, read_json, require_hashes, write_json
from twosome.runs import AGENT, RunDirectory, saved_folder
from twosome.scoring import ActionScorer
from twosome.trust import Consent, granted, open_checkpoint, read_settings, require_code_consent


def load_scorer(config: TrainConfig, device: str | None = None) -> ActionScorer:
    """The language model that a run's settings name, before any training."""
    scorer = ActionScorer.from_pretrained(
        config.model,
        dtype=config.dtype,
        device=device or config.device,
        quantization=config.quantization,
        trust_remote_code=config.trust_remote_code,
        prompt_format=config.prompt_format,
        max_tokens_per_forward=config.max_tokens_per_forward,
    )
    if config.random_init:
        randomize(scorer, config.seed)
    return scorer


def require_recorded_model(state: dict[str, Any], config: TrainConfig, *, allow_other_model: bool = False) -> None:
    """Check that the model of a run is the one that a checkpoint's state.json has the hashes of, if it has.

    Raises:
        RunError: it is another, and neither the caller nor the command line allows one.
    """
    if recorded := state.get("model_files"):
        require_same_model(recorded, config, allow_other=allow_other_model or granted().allow_other_model)


def load_run(
    run: Path,
    checkpoint: str = "last",
    *,
    device: str | None = None,
    trust_remote_code: bool = False,
    allow_other_model: bool = False,
) -> tuple[LanguageModelPolicy, TrainConfig, Path]:
    """The policy of a run, its settings, and the folder of the checkpoint; see `twosome.Agent.load`.

    Raises:
        RunError: there is no such run, it wants to run code, or its settings, metrics or model have changed.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    directory = RunDirectory.open(run)
    config = read_settings(directory, Consent(trust_remote_code=trust_remote_code), plays=False)
    folder, state = open_checkpoint(directory, checkpoint, config)
    require_recorded_model(state, config, allow_other_model=allow_other_model)
    return _build_policy(config, folder, device), config, folder


def _build_policy(
    config: TrainConfig, folder: Path, device: str | None, *, trained: bool = True
) -> LanguageModelPolicy:
    """The model that the settings name, with what was learned."""
    scorer = load_scorer(config, device)
    # Loading the weights of a whole model puts another model into the scorer.
    frozen = copy.copy(scorer) if config.asks_frozen_model and config.tuning == "full" else None
    if trained:
        attach_to(scorer, adapters_of(config), checkpoint=folder, trainable=False)
    calibration = Calibration()
    if config.normalization == "learned":
        load_calibration(calibration, folder)
    return LanguageModelPolicy(scorer, config.normalization, config.context_free_prompt, calibration, frozen)


def load_policy(
    path: Path,
    checkpoint: str = "last",
    *,
    device: str | None = None,
    trust_remote_code: bool = False,
    allow_other_model: bool = False,
) -> tuple[LanguageModelPolicy, TrainConfig, Path]:
    """The policy of a run, a saved agent or an exported folder, its settings, and where it was found.

    Raises:
        ConfigError: a checkpoint is named where there is none to choose.
        RunError: there is no such folder, it wants to run code, or its settings, metrics or model have changed.
        CheckpointError: there is no such checkpoint, or it is damaged.
    """
    how: dict[str, Any] = {
        "device": device,
        "trust_remote_code": trust_remote_code,
        "allow_other_model": allow_other_model,
    }
    folder = saved_folder(path)
    if folder is None:
        return load_run(path, checkpoint, **how)
    if checkpoint != "last":
        raise ConfigError(
            f"checkpoint is {quote(checkpoint)}; expected none, as {path} holds one agent and no run. Leave it out."
        )
    return *load_saved(folder, **how), folder


def save_policy(actor: LanguageModelPolicy, config: TrainConfig, folder: Path) -> Path:
    """Write a policy into a new or empty folder: settings, and what was learned if anything was.

    Raises:
        RunError: the folder holds something already, or cannot be written.
    """
    with explain_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if found := next(folder.iterdir(), None):
            raise RunError(
                f"{folder} is not empty: it holds {quote(found.name)}; expected a new or empty folder. Choose another, "
                "or delete this one."
            )
        trained = config.tuning == "full" or isinstance(actor.scorer.model, PeftModel)
        if trained:
            models.save(actor.scorer.model, actor.scorer.tokenizer, actor.scorer.name, folder)
        if config.normalization == "learned":
            save_calibration(actor.calibration, folder)
        # Where the run and what its environment reads lie says nothing elsewhere, and may name somebody.
        places = {"output": None, "model": _as_seen_from(folder, config.model)}
        env_kwargs = {name: _named_alone(value) for name, value in config.env_kwargs.items()}
        content = {
            "settings": {**config.to_json(), **places, "env_kwargs": env_kwargs},
            "model_files": model_files(config),
            "trained": trained,
            "files": {file.name: sha256(file) for file in sorted(folder.iterdir())},
        }
        write_json(folder / AGENT, content)  # last, so that what was cut short is no agent
    return folder


def _named_alone(value: Any) -> Any:
    """Of an absolute path its last part; everything else as it is."""
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _as_seen_from(folder: Path, model: str) -> str:
    """The name of a model; of one that lies in a folder or beside it the path from there, so that both can be moved."""
    path, here = Path(models.absolute_path(model)), folder.absolute()
    if not path.is_absolute() or not path.is_relative_to(here.parent):
        return str(path) if path.is_absolute() else model
    return f"./{path.relative_to(here)}" if path.is_relative_to(here) else f"../{path.relative_to(here.parent)}"


def name_base(folder: Path, name: str) -> None:
    """Let the adapters of a saved agent, if it has any, name this as their base model, as plain PEFT reads it."""
    path = folder / models.ADAPTER_CONFIG
    if path.is_file():
        write_json(path, {**read_json(path), "base_model_name_or_path": name})
        content = read_json(folder / AGENT)
        write_json(folder / AGENT, {**content, "files": {**content["files"], path.name: sha256(path)}})


def load_saved(
    folder: Path, *, device: str | None = None, trust_remote_code: bool = False, allow_other_model: bool = False
) -> tuple[LanguageModelPolicy, TrainConfig]:
    """What `save_policy` wrote.

    Raises:
        RunError: it wants to run code, or the model is another.
        CheckpointError: it is damaged.
    """
    content = read_json(folder / AGENT)
    kinds = {"settings": dict, "model_files": dict, "trained": bool, "files": dict}
    if content.keys() != kinds.keys() or not all(isinstance(content[name], kind) for name, kind in kinds.items()):
        raise CheckpointError(
            f"the agent {folder} is damaged: its {AGENT} holds {quote(content)}; expected {', '.join(kinds)}. Save it "
            "anew."
        )
    settings, model = content["settings"], content["settings"].get("model")
    if isinstance(model, str) and model.startswith("."):
        settings = {**settings, "model": os.path.abspath(folder / model)}
    config = TrainConfig.from_json(settings)
    require_code_consent(config, trust_remote_code or granted().trust_remote_code, f"the agent in {folder}")
    needed = [CALIBRATION] if config.normalization == "learned" else []
    needed += [LEARNED[config.tuning]] if content["trained"] else []
    if missing := [name for name in needed if name not in content["files"]]:
        raise CheckpointError(
            f"the agent {folder} is damaged: the files of its {AGENT} are {quote([*content['files']])}; expected "
            f"{', '.join(missing)} among them. Save it anew."
        )
    require_hashes(folder, content["files"], f"the agent {folder}", AGENT, "Save it anew.")
    require_recorded_model(content, config, allow_other_model=allow_other_model)
    return _build_policy(config, folder, device, trained=content["trained"]), config
