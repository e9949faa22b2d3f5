"""`twosome export`: a run as a folder to give away."""

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from twosome import models
from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.errors import RunError
from twosome.run_files import explain_write_errors, read_json, write_json
from twosome.runs import EVALUATION, EXPORTED, VERSIONS, RunDirectory
from twosome.trust import Consent, read_settings


@dataclass(frozen=True)
class Export:
    """Write what a run learned into a folder that others can use without the run.

    It has the merged model, which Transformers and what reads its folders load; the adapters with all that it takes to
    act with them (agent/); and a card that says what it acts in, how well, and how.

    Examples:
        twosome export runs/TomatoSalad-1 my-cook
        twosome export runs/FoodPreparation-1 warmer --checkpoint best
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    folder: Annotated[Path, tyro.conf.Positional]
    """Where to write: a new or empty folder."""
    checkpoint: str = "last"
    """Which checkpoint of the run: last, best, or a folder's name."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)


def main(arguments: Sequence[str]) -> int:
    """Parse, load, merge, write."""
    options = parse(Export, "export", arguments)
    run = RunDirectory.open(options.run)
    run.checkpoint(options.checkpoint)
    read_settings(run, plays=False)
    if options.folder.exists() and (not options.folder.is_dir() or any(options.folder.iterdir())):
        raise RunError(f"{options.folder} holds something already; expected a new or empty folder.")
    announce("Loading PyTorch and the model ...", quiet=False)
    _export(run, options)
    console = plain_console()
    console.print(f"  merged model, card   {options.folder}/", soft_wrap=True)
    console.print(f"  adapters             {options.folder / 'agent'}/", soft_wrap=True)
    return 0


def _export(run: RunDirectory, options: Export) -> None:
    from peft import PeftModel

    from twosome.policy.fingerprint import model_files
    from twosome.policy.loading import load_run, save_policy
    from twosome.report.card import model_card
    from twosome.report.checks import checked_result

    actor, config, checkpoint = load_run(run.path, options.checkpoint)
    with explain_write_errors(options.folder):
        options.folder.mkdir(parents=True, exist_ok=True)
        save_policy(actor, config, options.folder / EXPORTED)
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
            "env": config.env,
            "checkpoint": checkpoint.name,
            "decisions": int(checkpoint.name.removeprefix("step-")),
            "base_files": model_files(config),
        }
        write_json(options.folder / "acting.json", acting)
        curve = run.path / "learning_curve.png"
        if curve.is_file() and not curve.is_symlink():
            shutil.copyfile(curve, options.folder / curve.name)
        measured = run.path / EVALUATION
        result = checked_result(measured) if os.path.lexists(measured) else None
        if result is not None and result.get("checkpoint") != checkpoint.name:
            result = None  # of another checkpoint
        versions = read_json(run.path / VERSIONS) if os.path.lexists(run.path / VERSIONS) else {}
        card = model_card(config, acting, result, versions, curve=(options.folder / curve.name).is_file())
        (options.folder / "README.md").write_text(card, encoding="utf-8")
