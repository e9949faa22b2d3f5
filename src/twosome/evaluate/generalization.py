"""How a run fares on tasks that it never met in training.

Four play each task: uniform random, the run's model before training, the run, and, where every environment has one, the
optimal planner. The panels `paper` and `kitchens` follow the paper (its ten-action household tasks, and the other
cooking tasks); `household` is the fixed panel of held-out tasks of `HouseholdTask`. Others come from a file.

Intervals are over episodes: they say how well these tasks' means are known, not how other tasks would turn out.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosome.envs import text
from twosome.envs.named import NamedEnv
from twosome.evaluate.evaluator import evaluator_for
from twosome.evaluate.success import Evaluation
from twosome.evaluate.suites import Suite
from twosome.evaluate.unseen import KINDS, PanelTask
from twosome.runs import RunDirectory
from twosome.statistics import difference_interval, middle_95, stratified_means, wilson_interval
from twosome.trust import read_settings
from twosome.versions import versions


def generalize(
    run: Path,
    suite: Suite,
    *,
    checkpoint: str = "last",
    greedy: bool = False,
    threads: int = 1,
    env_workers: int | None = None,
    step_timeout: float | None = None,
    progress: Callable[[str], None] = lambda message: None,
) -> dict[str, Any]:
    """Test a run, its untrained model, random and optimal play on a suite of tasks.

    Args:
        run: the run's directory.
        suite: which tasks; see `panel_suite` and `read_suite`.
        checkpoint: of the run: ``"last"``, ``"best"`` or a folder's name.
        greedy: both language models play their most probable action instead of drawing.
        threads: CPU threads of PyTorch.
        env_workers: how many processes of environments work at a time; None: as the run was trained.
        step_timeout: with workers, seconds after which a step counts as hanging.
        progress: told in words who plays what.

    Returns:
        Everything as plain JSON: who played, each task's result by player, and over all tasks (for the household
        panel also over the tasks of a kind) means with 95% intervals.

    Raises:
        RunError: there is no such run.
    """
    config = read_settings(RunDirectory.open(run))
    tasks = suite.tasks
    here = {"run": run, "threads": threads}
    there = {**here, "env_workers": env_workers, "step_timeout": step_timeout}
    evaluators = {  # weakest first; each language model is loaded once
        "random": evaluator_for(**there, policy="random"),
        "untrained": evaluator_for(**there, model=config.model, greedy=greedy),
        "trained": evaluator_for(**there, checkpoint=checkpoint, greedy=greedy),
    }
    if all(NamedEnv(task.env, task.env_kwargs).has_planner() for task in tasks):
        evaluators["planner"] = evaluator_for(**here, policy="planner")
    played: list[dict[str, Evaluation]] = []
    for i, task in enumerate(tasks):
        progress(f"{i + 1} of {len(tasks)}: {task.name}")
        players = {who: evaluator.in_env(task.env, task.env_kwargs) for who, evaluator in evaluators.items()}
        played.append({who: player.play(task.seeds) for who, player in players.items()})
    return {
        "run": str(run),
        "trained_on": {
            **config.told_envs,
            "env": text.resolve(config.env),
            "env_kwargs": config.env_kwargs,
            "seed": config.seed,
        },
        **suite.told,
        "episodes_per_task": suite.episodes,
        "players": {who: evaluator.identity for who, evaluator in evaluators.items()},
        "tasks": [
            {**_described(task), **{who: results[who].summary() for who in evaluators}}
            for task, results in zip(tasks, played, strict=True)
        ],
        **_by_kind(tasks, played),
        "all": pooled(played),
        "gain": gain(played),
        "versions": versions(),
    }


def _by_kind(tasks: Sequence[PanelTask], played: Sequence[Mapping[str, Evaluation]]) -> dict[str, Any]:
    """Summaries over the tasks of each kind; empty for a panel that does not report by kind."""
    kinds = [kind for kind in KINDS.values() if kind in {task.kind for task in tasks}]
    of_kind = {kind: [row for row, task in zip(played, tasks, strict=True) if task.kind == kind] for kind in kinds}
    return {"kinds": {kind: pooled(rows) for kind, rows in of_kind.items()}} if kinds else {}


def pooled(played: Sequence[Mapping[str, Evaluation]]) -> dict[str, Any]:
    """Summary of each player over several tasks with equally many episodes each.

    The interval of the return resamples the episodes within each task. That of the success rate is Wilson's for the
    episodes taken together: unlike resampling it does not shrink to a point when every episode succeeds.

    Args:
        played: for each task, each player's episodes.
    """
    summaries = {}
    for who in played[0]:
        strata = [_returns(row[who]) for row in played]
        episodes = [episode for row in played for episode in row[who].episodes]
        successes, _ = _successes([row[who] for row in played])
        means = stratified_means(strata, np.random.default_rng(0))
        summaries[who] = {
            "tasks": len(played),
            "episodes": len(episodes),
            "success_rate": successes / len(episodes),
            "success_ci95": wilson_interval(successes, len(episodes)),
            "return_mean": float(np.mean(np.concatenate(strata))),
            "return_ci95": middle_95(means),
            "length_mean": float(np.mean([episode.length for episode in episodes])),
        }
    return summaries


def gain(played: Sequence[Mapping[str, Evaluation]]) -> dict[str, Any]:
    """What training has added over all tasks: trained minus untrained, with 95% intervals.

    That of the success rate is Newcombe's for the episodes taken together, which a few lucky episodes do not shrink to
    a point. That of the return is by resampling, and None where it would have no width: when within each task all
    episodes had the same return, resampling says nothing of how others would have turned out.
    """
    trained, untrained = ([_returns(row[who]) for row in played] for who in ("trained", "untrained"))
    rng = np.random.default_rng(0)
    low, high = middle_95(stratified_means(trained, rng) - stratified_means(untrained, rng))
    (a, n), (b, m) = (_successes([row[who] for row in played]) for who in ("trained", "untrained"))
    return {
        "success": a / n - b / m,
        "success_ci95": difference_interval((a, n), (b, m)),
        "return": float(np.mean(np.concatenate(trained)) - np.mean(np.concatenate(untrained))),
        "return_ci95": (low, high) if low < high else None,
    }


def _returns(evaluation: Evaluation) -> NDArray[np.float64]:
    return np.array([episode.discounted_return for episode in evaluation.episodes])


def _successes(evaluations: Sequence[Evaluation]) -> tuple[int, int]:
    """How many episodes succeeded, and of how many."""
    episodes = [episode for evaluation in evaluations for episode in evaluation.episodes]
    return sum(episode.success for episode in episodes), len(episodes)


def _described(task: PanelTask) -> dict[str, Any]:
    described = {
        "name": task.name,
        "env": text.resolve(task.env),
        "env_kwargs": task.env_kwargs,
        "gamma": text.gamma_of(task.env, task.env_kwargs),
        **({"seed": task.seeds[0]} if isinstance(task.seeds, range) else {"seeds": list(task.seeds)}),
    }
    return {**described, "kind": task.kind} if task.kind else described
