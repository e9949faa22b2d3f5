"""`twosome score`: a prompt and candidate actions in, log-probabilities and policies out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, get_args

import tyro
from rich.table import Table

from twosome import models
from twosome.cli.parse import parse
from twosome.config import TrainConfig
from twosome.console import announce, plain_console
from twosome.decision import Decision
from twosome.errors import ConfigError
from twosome.evaluate.loading import ModelOptions
from twosome.extras import require_extras
from twosome.runs import RunDirectory, saved_folder
from twosome.trust import RunConsent, read_settings


@dataclass(frozen=True)
class Score:
    r"""Score candidate actions after a prompt: log-probability token by token, the policy under every normalization.

    The prompt should end in an unfinished sentence that each action completes. "learned" is what a run has learned; in
    other cases its temperature is set so that these actions have the entropy with which a run would begin.

    Examples:
        twosome score "You want to make tea. The kettle is empty. Now you" \
          "fill the kettle" "go to bed"
        twosome score PROMPT ACTION ACTION --model runs/TomatoSalad-1 --json
    """

    prompt: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="PROMPT")]
    """The situation, ending in an unfinished sentence."""
    actions: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ACTION...")]
    """Phrases that may complete it."""
    model: str = "hearth"
    """The embedded "hearth", a Hugging Face id, a folder with a model, a run directory, or what `Agent.save` or
    `twosome export` wrote."""
    loading: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)
    consent: Annotated[RunConsent, tyro.conf.arg(name="")] = field(default_factory=RunConsent)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, score, print."""
    options = parse(Score, "score", arguments)
    if not options.actions:
        raise ConfigError("there is no action to score; give at least one phrase after the prompt.")
    if "" in options.actions:
        raise ConfigError("an action is an empty text; every candidate needs words to score.")
    decision = Decision(options.prompt, options.actions)
    is_run = _is_run(options)
    announce(f"Loading PyTorch and {options.model} ...", quiet=options.json)
    document = _document(options, decision, is_run=is_run)
    if options.json:
        print(json.dumps(document))  # noqa: T201 - the document is the output
    else:
        _print(document)
    return 0


def _is_run(options: Score) -> bool:
    """Whether the model is that of a run or a saved agent; refuses what is none of these and no model."""
    path = Path(options.model)
    saved = saved_folder(path)
    if saved is None and not (path / "checkpoints").is_dir():
        require_extras(quantization=options.loading.quantization)
        models.locate(options.model)
        return False
    if flags := options.loading.left_to_a_run():
        kind = "run" if saved is None else "saved agent"
        raise ConfigError(
            f"{', '.join(flags)} cannot be given here: {options.model} is a {kind} and keeps its own settings."
        )
    if saved is None:
        run = RunDirectory.open(path)
        run.checkpoint()
        read_settings(run, plays=False)
    return True


def _document(options: Score, decision: Decision, *, is_run: bool) -> dict[str, Any]:
    import torch

    from twosome.policy.calibration import Calibration
    from twosome.policy.lm_policy import LanguageModelPolicy
    from twosome.policy.loading import load_policy
    from twosome.scoring import ActionScorer, Normalization

    if is_run:
        actor, _, _ = load_policy(Path(options.model))
    else:
        actor = LanguageModelPolicy(ActionScorer.from_pretrained(options.model, **options.loading.given()))
    scorer = actor.scorer
    if actor.normalization != "learned":
        calibration = Calibration(TrainConfig.prior_weight)
        actor = LanguageModelPolicy(scorer, "learned", actor.context_free_prompt, calibration, actor.frozen)
        actor.calibrate([decision], TrainConfig.target_entropy)
    with torch.no_grad():
        policies = {
            name: LanguageModelPolicy(
                scorer, name, actor.context_free_prompt, actor.calibration, actor.frozen
            ).probabilities([decision])[0]
            for name in get_args(Normalization)
        }
        tokens = scorer.token_log_probs([decision])[0]
        joint = scorer.log_probs([decision])[0].tolist()
    return {
        "model": scorer.name,
        "method": scorer.method,
        "prompt": decision.prompt,
        **actor.calibration.numbers(),
        "actions": [
            {
                "action": phrase,
                "log_prob": joint[i],
                "words": len(phrase.split()),
                "tokens": [{"token": token, "log_prob": logp} for token, logp in tokens[i]],
                "policy": {name: float(policy[i]) for name, policy in policies.items()},
            }
            for i, phrase in enumerate(decision.actions)
        ],
    }


def _print(document: dict[str, Any]) -> None:
    console = plain_console()
    learned = f"learned: temperature {document['temperature']:.3g}, prior's weight {document['prior_weight']:.3g}"
    console.print(f"{document['model']}, log-probabilities in nats; {learned}", style="dim")
    console.print(f"{document['prompt']} ...\n")
    names = list(document["actions"][0]["policy"])
    table = Table(box=None, padding=(0, 1, 0, 0))
    for name in ("action", "log p", "tokens", "words", *names):
        is_phrase = name == "action"
        table.add_column(name, justify="left" if is_phrase else "right", no_wrap=not is_phrase)
    for row in document["actions"]:
        table.add_row(
            row["action"],
            f"{row['log_prob']:.2f}",
            str(len(row["tokens"])),
            str(row["words"]),
            *(f"{row['policy'][name]:.1%}" for name in names),
        )
    console.print(table)
    console.print()
    for row in document["actions"]:
        console.print("  ".join(f"{entry['token'].strip() or '_'} {entry['log_prob']:.2f}" for entry in row["tokens"]))
