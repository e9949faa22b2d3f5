"""`twosome check-env`: everything that is wrong with an environment, at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.padding import Padding
from rich.text import Text

from twosome import models
from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.errors import visible
from twosome.evaluate.loading import ModelOptions
from twosome.extras import require_extras
from twosome.json_argument import JsonObject
from twosome.setting_types import require_at_least

if TYPE_CHECKING:
    from rich.console import Console

    from twosome.evaluate.env_check import EnvCheck
    from twosome.evaluate.wording import Finding


@dataclass(frozen=True)
class CheckEnv:
    """Check an environment of your own: says everything that is wrong with it at once, and what to do about it.

    Plays at random and goes on after each fault: types and texts, seeds, saving and going on, the split of tasks, how
    long a step takes. With --model also whether prompts fit into the model's context. Ends with 1 if there are faults.
    `twosome doctor` then looks at how a model reads the words.

    Examples:
        twosome check-env light:Light
        twosome check-env light:Light --model hearth --steps 1000
        twosome check-env light:Light --env-kwargs '{"split": "test"}' --json
    """

    env: Annotated[str, tyro.conf.Positional]
    """"module:id", where the module registers the environment, or any other Gymnasium id."""
    env_kwargs: JsonObject = field(default_factory=dict)
    """Keyword arguments of the environment as a JSON object."""
    model: str | None = None
    """Who is to read it: "hearth", a Hugging Face id, or a folder with a model."""
    loading: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)
    steps: int = 200
    """Actions to take."""
    seed: int = 0
    """Of the environment and of the choice of actions."""
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, play, print."""
    options = parse(CheckEnv, "check-env", arguments)
    require_at_least("steps", options.steps, 1)
    require_at_least("seed", options.seed, 0)
    scorer = None
    if options.model is not None:
        require_extras(quantization=options.loading.quantization)
        models.locate(options.model)
        from twosome.envs import text

        text.make_checked(options.env, **options.env_kwargs).close()
        announce(f"Loading PyTorch and {options.model} ...", quiet=options.json)
        from twosome.scoring import ActionScorer

        scorer = ActionScorer.from_pretrained(options.model, **options.loading.given())
    from twosome.evaluate.env_check import check_env

    found = check_env(options.env, options.env_kwargs, scorer=scorer, steps=options.steps, seed=options.seed)
    if options.json:
        print(json.dumps(found.to_json()))  # noqa: T201 - the document is the output
    else:
        _print(found)
    return 1 if found.faults else 0


def _print(found: "EnvCheck") -> None:
    console, facts = plain_console(), found.facts
    console.print(found.env, soft_wrap=True)
    if "actions_max" in facts:
        console.print(
            f"  {facts['decisions']} decisions of random play, {facts['episodes']} episodes of "
            f"{_number(facts['episode_decisions_mean'], 1)} on average, {facts['successes']} with success\n"
            f"  return {_number(facts['return_mean'], 3)} on average, at most {_number(facts['return_max'], 3)}\n"
            f"  {facts['actions_min']} to {facts['actions_max']} actions, {_number(facts['actions_mean'], 1)} on "
            f"average; prompts of up to {facts['prompt_characters_max']:,} characters\n"
            f"  a step takes {_number(facts['step_ms'], 2)} ms, at most {_number(facts['step_ms_max'], 1)}; a reset "
            f"{_number(facts['reset_ms'], 2)} ms"
        )
    if "tokens_max" in facts:
        context = "no limit" if facts["context_tokens"] is None else f"{facts['context_tokens']:,}"
        console.print(
            f"  {found.model}: prompts with a phrase take {_number(facts['tokens_mean'], 0)} tokens on average, at "
            f"most {_number(facts['tokens_max'], 0)} of {context}\n"
            f"  history was left out {facts['prompts_shortened']} times; scoring a decision takes "
            f"{_number(facts['scoring_ms'], 1)} ms"
        )
    console.print(f"\n{_counted(len(found.faults))}" if found.faults else "\nNo faults.", style="bold")
    _print_findings(console, found.faults)
    if found.advice:
        console.print("\nGood to know", style="bold")
        _print_findings(console, found.advice)
    if not found.faults:
        console.print(f"\nNext: twosome doctor {found.env}", soft_wrap=True)


def _print_findings(console: "Console", findings: Sequence["Finding"]) -> None:
    for number, finding in enumerate(findings, start=1):
        times = f" ({finding.times} times)" if finding.times > 1 else ""
        console.print(Padding(Text(visible(f"{number}. {finding.measured}{times}")), (0, 0, 0, 2)))
        if finding.remedy:
            console.print(Padding(Text(visible(f"-> {finding.remedy}")), (0, 0, 0, 5)))


def _number(value: float | int | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _counted(number: int) -> str:
    return "1 fault" if number == 1 else f"{number} faults"
