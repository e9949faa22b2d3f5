"""`twosome doctor`: look at an environment and a model before anything is trained."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from twosome import models
from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.errors import visible
from twosome.evaluate.loading import ModelOptions
from twosome.extras import require_extras
from twosome.json_argument import JsonObject
from twosome.setting_types import Normalization, require_at_least

if TYPE_CHECKING:
    from twosome.evaluate.doctor import Examination


@dataclass(frozen=True)
class Doctor:
    """Look at an environment as a model reads it, before a run: what is wrong, by how much, and what to do about it.

    Plays a little at random and untrained under each normalization, scores the decisions that it meets, and names
    duplicates, missing articles, prompts that do not read on or do not fit, biases, a prior that is too sure. The
    finding with the largest effect on the untrained policy comes first.

    Examples:
        twosome doctor TomatoSalad
        twosome doctor my_package:mine/Env-v0 --model ./my-model --html doctor.html
        twosome doctor FoodPreparation --json
    """

    env: Annotated[str, tyro.conf.Positional]
    """An environment that `twosome envs` lists, or any Gymnasium id that keeps its contract."""
    env_kwargs: JsonObject = field(default_factory=dict)
    """Keyword arguments of the environment as a JSON object."""
    model: str = "hearth"
    """The embedded "hearth", a Hugging Face id, or a folder with a model."""
    loading: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)
    normalization: Normalization | None = None
    """The one that the run is to have, which the findings are about; the preset's otherwise."""
    episodes: int = 10
    """Episodes of each policy; fewer where they are longer than 60 decisions on average."""
    seed: int = 0
    """Of the environments and of the choice of actions."""
    html: Path | None = None
    """Also write a page with the sampled phrases, their tokens colored by log-probability, to this file."""
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, examine, print."""
    options = parse(Doctor, "doctor", arguments)
    require_at_least("episodes", options.episodes, 1)
    require_at_least("seed", options.seed, 0)
    require_extras(quantization=options.loading.quantization)
    models.locate(options.model)
    from twosome.envs import text

    text.make_checked(options.env, **options.env_kwargs).close()
    announce(f"Loading PyTorch and {options.model}, playing and scoring ...", quiet=options.json)
    from twosome.evaluate.doctor import examine

    found = examine(
        text.resolve(options.env),
        options.env_kwargs,
        options.model,
        loading=options.loading,
        normalization=options.normalization,
        episodes=options.episodes,
        seed=options.seed,
    )
    if options.html is not None:
        from twosome.report.tokens import save_tokens

        save_tokens(found.to_json(), options.html)
    if options.json:
        print(json.dumps(found.to_json()))  # noqa: T201 - the document is the output
    else:
        _print(found, options.html)
    return 0


def _print(found: "Examination", page: Path | None) -> None:
    console = plain_console()
    facts = found.facts
    console.print(f"{found.env} as {found.model} reads it\n")
    context = "" if facts["context_tokens"] is None else f" of {facts['context_tokens']:,}"
    console.print(
        f"  {facts['actions']} actions, {facts['available_mean']:.1f} available on average, at most "
        f"{facts['available_max']}\n"
        f"  {facts['phrases']} phrases of {facts['phrase_words_mean']:.1f} words on average, at most "
        f"{facts['phrase_words_max']}; tokens {_number(facts['phrase_tokens_mean'], 1)}, at most "
        f"{_number(facts['phrase_tokens_max'], 0)}\n"
        f"  prompts with a phrase: {facts['prompt_tokens_mean']:.0f} tokens on average, at most "
        f"{facts['prompt_tokens_max']}{context}\n"
        f"  {facts['distinct_decisions']} different decisions among {facts['random_decisions']} of random play; a step "
        f"takes {facts['step_ms']:.2g} ms,\n"
        f"  scoring a decision {_number(facts.get('scoring_ms'), 1)} ms\n"
        f"  the log-probability correlates with tokens by "
        f"{_number(facts.get('correlation_with_tokens'), 2)}, with how usual\n"
        f"  the phrase is without a situation by {_number(facts.get('correlation_with_prior'), 2)}\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("untrained", "entropy", "return", "95% interval", "success", "episodes"):
        table.add_column(name, justify="left" if name == "untrained" else "right", no_wrap=True)
    for name, row in [("random", {"entropy_share": 1.0, **vars(found.random)}), *found.untrained.items()]:
        interval = "-" if row["return_ci95"] is None else "{:.3f} to {:.3f}".format(*row["return_ci95"])
        success = "-" if row["success_rate"] is None else f"{row['success_rate']:.0%}"
        share = f"{row['entropy_share']:.0%}"
        table.add_row(name, share, _number(row["return_mean"], 3), interval, success, str(row["episodes"]))
    console.print(table)
    console.print("\nFindings, by their effect on the untrained policy" if found.findings else "\nNothing to mend.")
    for finding in found.findings:
        effect = "not measured" if finding.effect is None else f"{finding.effect:.2f}"
        console.print(f"\n  {finding.code} (effect {effect})", style="bold")
        console.print(_indented(finding.measured))
        console.print(_indented(f"-> {finding.remedy}"))
    if found.tokens:
        console.print("\nThe most improbable tokens, in nats")
        for token in found.tokens:
            console.print(_indented(f"{token.log_prob:7.2f}  {token.token!r} in {token.phrase!r}: {token.why}"))
    console.print("\nRecommendation")
    for place, step in enumerate(found.recommendation, start=1):
        console.print(_indented(f"{place}. {step}"))
    if page is not None:
        console.print(f"\n  page     {page}", soft_wrap=True)


def _indented(text: str) -> Padding:
    return Padding(Text(visible(text)), (0, 0, 0, 2))


def _number(value: float | int | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
