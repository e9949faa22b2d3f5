"""`twosome eval`: measure a run, an untrained model or a baseline over fresh episodes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from twosome.cli.parse import parse
from twosome.console import Name, announce, plain_console
from twosome.evaluate.loading import ModelOptions
from twosome.json_argument import JsonObject
from twosome.setting_types import Normalization, require_at_least
from twosome.trust import RunConsent


@dataclass(frozen=True)
class Eval:
    """Measure a policy over fresh episodes: success rate, return as the paper logs it, length, 95% intervals.

    Examples:
        twosome eval runs/tomato --episodes 100 --seed 0 --json
        twosome eval runs/tomato --env TomatoLettuceSalad
        twosome eval runs/quest --split test
        twosome eval --model hearth --env TomatoSalad
        twosome eval --policy planner --env TomatoSalad
        twosome eval --policy longest:Longest --env TomatoSalad
        twosome eval --policy saycan --env TomatoSalad --affordance-decisions 10000
    """

    run: Annotated[Path | None, tyro.conf.Positional] = None
    """Run directory to evaluate; leave it out with --model or another --policy."""
    env: str | None = None
    """Environment to play in; by default the one the run was trained on, or each of them."""
    env_kwargs: JsonObject = field(default_factory=dict)
    """Keyword arguments of the environment as a JSON object."""
    split: Literal["train", "test"] | None = None
    """Play the tasks that training draws from (train) or that it never meets (test), where the environment has both."""
    policy: str = "model"
    """Who plays: model (the language model), random over the valid actions, planner (the optimal one), saycan
    (untrained), or one of your own as module:Class."""
    model: str | None = None
    """An untrained language model to evaluate in place of a run."""
    checkpoint: str | None = None
    """Which checkpoint of the run: last (the default), best, or a folder's name."""
    normalization: Normalization | None = None
    """What scores are divided by; by default as in the run, else as a run by default. learned: with what the run has
    learned, or, untrained, where a run would begin."""
    greedy: bool = False
    """Play the most probable action instead of drawing."""
    affordance_decisions: int | None = None
    """For saycan: decisions of random play from which it learns which actions lead to success; by default 20000."""
    affordance_seed: int | None = None
    """For saycan: seed of that play and of learning from it; by default 1."""
    loading: Annotated[ModelOptions, tyro.conf.arg(name="")] = field(default_factory=ModelOptions)
    consent: Annotated[RunConsent, tyro.conf.arg(name="")] = field(default_factory=RunConsent)
    episodes: int = 100
    """How many episodes."""
    seed: int = 0
    """Episode i is reset with seed + i."""
    threads: int = 1
    """CPU threads of PyTorch."""
    env_workers: int | None = None
    """Step environments in processes of their own, so many at a time, with the same results; by default as the run was
    trained, else 0: in this process."""
    step_timeout: float | None = None
    """With --env-workers: seconds after which a step or a reset counts as hanging, which ends the evaluation."""
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, evaluate, print."""
    options = parse(Eval, "eval", arguments)
    require_at_least("episodes", options.episodes, 1)
    require_at_least("seed", options.seed, 0)
    from twosome.evaluate.request import Request

    request = Request(
        run=options.run,
        model=options.model,
        policy=options.policy,
        env=options.env,
        env_kwargs=options.env_kwargs,
        split=options.split,
        checkpoint=options.checkpoint,
        normalization=options.normalization,
        greedy=options.greedy,
        loading=options.loading,
        affordance_decisions=options.affordance_decisions,
        affordance_seed=options.affordance_seed,
        threads=options.threads,
        env_workers=options.env_workers,
        step_timeout=options.step_timeout,
    )
    announce(f"Loading PyTorch and measuring over {options.episodes} episodes ...", quiet=options.json)
    from twosome.evaluate.evaluator import evaluator_for

    evaluator = evaluator_for(**vars(request))
    result = evaluator.measure_all(request.environments(), options.episodes, options.seed)
    if options.json:
        print(json.dumps(result))  # noqa: T201 - the document is the output
        return 0
    for of_world in result.get("worlds", [result]):
        plain_console().print(comparison([(evaluator.name, of_world)]))
    return 0


def comparison(rows: Sequence[tuple[str, dict[str, Any]]]) -> Table:
    """A table of who was measured, by name, with the results."""
    title = f"{rows[0][1]['env']}, {rows[0][1]['episodes']} fresh episodes"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("", "return", "95% interval", "success", "95% interval", "steps"):
        table.add_column(name, justify="right" if name else "left", no_wrap=bool(name))
    for name, result in rows:
        table.add_row(
            Name(name),
            f"{result['return_mean']:.3f}",
            "{:.3f} to {:.3f}".format(*result["return_ci95"]),
            f"{result['success_rate']:.0%}",
            "{:.0%} to {:.0%}".format(*result["success_ci95"]),
            f"{result['length_mean']:.1f}",
        )
    return table
