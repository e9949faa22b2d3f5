"""`twosome export`: a run as a folder to give away."""

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import tyro

from twosome import models
from twosome.cli.parse import parse
from twosome.config import TrainConfig
from twosome.console import announce, plain_console
from twosome.errors import ConfigError, RunError, quote
from twosome.run_files import explain_write_errors, read_json, write_json
from twosome.runs import EVALUATION, EXPORTED, VERSIONS, RunDirectory
from twosome.trust import Consent, read_settings


@dataclass(frozen=True)
class Export:
    """Write what a run learned into a folder that others can use without the run.

    It has the merged model, which Transformers and what reads its folders load; the adapters with all that it takes to
    act with them (agent/); the base model if it is none of the Hugging Face Hub (base/); and a card that says what it
    acts in, how well, and how.

    Examples:
        twosome export runs/TomatoSalad-1 my-cook
        twosome export runs/FoodPreparation-1 warmer --checkpoint best
        twosome export runs/TomatoSalad-1 my-cook --push-to-hub me/my-cook
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    folder: Annotated[Path, tyro.conf.Positional]
    """Where to write: a new or empty folder."""
    checkpoint: str = "last"
    """Which checkpoint of the run: last, best, or a folder's name."""
    push_to_hub: str | None = None
    """Put the folder into this repository of the Hugging Face Hub, too; a new one is public."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)


def main(arguments: Sequence[str]) -> int:
    """Parse, load, merge, write."""
    options = parse(Export, "export", arguments)
    run = RunDirectory.open(options.run)
    run.checkpoint(options.checkpoint)
    read_settings(run, plays=False)
    if options.folder.exists() and (not options.folder.is_dir() or any(options.folder.iterdir())):
        raise RunError(f"{options.folder} holds something already; expected a new or empty folder.")
    if options.push_to_hub is not None:
        _require_pushable(options.push_to_hub)
    announce("Loading PyTorch and the model ...", quiet=False)
    config = _export(run, options)
    console = plain_console()
    console.print(f"  merged model, card   {options.folder}/", soft_wrap=True)
    console.print(f"  adapters             {options.folder / EXPORTED}/", soft_wrap=True)
    if options.push_to_hub is not None:
        announce(f"Pushing to {options.push_to_hub} ...", quiet=False)
        place = _push(options.folder, options.push_to_hub, config.model)
        console.print(f"  pushed to            {place}", soft_wrap=True)
    return 0


def _require_pushable(name: str) -> None:
    """Check what can be checked before anything is made."""
    from huggingface_hub import get_token

    if not re.fullmatch(r"[\w.-]{1,96}/[\w.-]{1,96}", name, re.ASCII):
        raise ConfigError(
            f"--push-to-hub is {quote(name)}; expected OWNER/NAME, of letters, digits, '-', '_' and '.'. Correct it."
        )
    if get_token() is None:
        raise ConfigError(
            "--push-to-hub needs a token of the Hugging Face Hub that may write; expected one in HF_TOKEN, or from "
            "`hf auth login`, found none."
        )


def _push(folder: Path, name: str, model: str) -> str:
    """Put an exported folder into a repository, in one commit; returns its address.

    Raises:
        RunError: it cannot be put there.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    from twosome.policy.loading import name_base

    with TemporaryDirectory() as aside:
        agent = Path(aside) / EXPORTED
        shutil.copytree(folder / EXPORTED, agent)
        name_base(agent, model if models.locate(model) is None else Path(model).name)  # not where it lies here
        files = {path.relative_to(root).as_posix(): path for root in (folder, agent.parent) for path in _files(root)}
        try:
            api = HfApi()
            repository = api.create_repo(name, exist_ok=True)
            operations = [CommitOperationAdd(place, path) for place, path in files.items()]
            api.create_commit(repository.repo_id, operations, commit_message=f"Export {folder.name} by twosome")
        except Exception as error:  # of the client, or of what it sends with
            raise RunError(
                f"{folder} is written, and cannot be pushed to {quote(name)}: {quote(str(error))[1:-1]}. Expected a "
                "connection, and a token that may write there. Export into another folder to try again."
            ) from error
    return str(repository)


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


def _write_base(model: str, folder: Path) -> Path | None:
    """Copy the files that a base model is loaded from, if it is a folder of this machine."""
    found = models.locate(model)
    if found is None or not found.is_dir() or (found / models.ADAPTER_CONFIG).exists():
        return None
    folder.mkdir()
    for file in models.readable_files(found):
        if file.is_file():
            place = folder / file.relative_to(found)
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, place)
    return folder.absolute()


def _export(run: RunDirectory, options: Export) -> TrainConfig:
    from peft import PeftModel

    from twosome.policy.fingerprint import model_files
    from twosome.policy.loading import load_run, name_base, save_policy
    from twosome.report.card import model_card
    from twosome.report.checks import checked_results

    actor, config, checkpoint = load_run(run.path, options.checkpoint)
    with explain_write_errors(options.folder):
        options.folder.mkdir(parents=True, exist_ok=True)
        base, agent = _write_base(config.model, options.folder / "base"), options.folder / EXPORTED
        is_embedded = config.model in models.NAMES
        save_policy(actor, config if base is None or is_embedded else replace(config, model=str(base)), agent)
        if base is not None:
            name_base(agent, str(base))
        model: Any = actor.scorer.model
        merged = model.merge_and_unload() if isinstance(model, PeftModel) else model
        with models.without_progress_bar(is_local=True):
            merged.save_pretrained(options.folder)
        actor.scorer.tokenizer.save_pretrained(options.folder)
        acting = {
            "normalization": config.normalization,
            **(actor.calibration.numbers() if config.normalization == "learned" else {}),
            "context_free_prompt": config.context_free_prompt if config.normalization in ("pmi", "learned") else None,
            "prompt_format": config.prompt_format,
            **config.told_envs,
            "checkpoint": checkpoint.name,
            "decisions": int(checkpoint.name.removeprefix("step-")),
            "base_files": model_files(config),
        }
        write_json(options.folder / "acting.json", acting)
        curve = run.path / "learning_curve.png"
        if curve.is_file() and not curve.is_symlink():
            shutil.copyfile(curve, options.folder / curve.name)
        measured = run.path / EVALUATION
        results = checked_results(measured) if os.path.lexists(measured) else []
        results = [result for result in results if result.get("checkpoint") == checkpoint.name]  # of no other one
        versions = read_json(run.path / VERSIONS) if os.path.lexists(run.path / VERSIONS) else {}
        card = model_card(config, acting, results, versions, curve=(options.folder / curve.name).is_file())
        (options.folder / "README.md").write_text(card, encoding="utf-8")
    return config
