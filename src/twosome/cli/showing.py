"""What `twosome show` measures, prints and draws, once PyTorch is loaded."""

import os
from pathlib import Path
from typing import Any

from twosome.cli.eval import comparison
from twosome.config import TrainConfig, of_world, world_name
from twosome.console import plain_console
from twosome.envs import text
from twosome.envs.named import NamedEnv
from twosome.evaluate.evaluator import Evaluator, evaluator_for, over_worlds
from twosome.evaluate.record import can_be_filmed, record
from twosome.evaluate.watch import watched
from twosome.report.checks import checked_metrics
from twosome.report.curve import save_curve, terminal_curve
from twosome.report.film import save_film
from twosome.report.watch import save_watch_page
from twosome.run_files import explain_write_errors, write_json
from twosome.runs import EVALUATION, UNTRAINED, WATCH_PAGE, RunDirectory
from twosome.trust import read_settings
from twosome.versions import hardware

Rows = list[tuple[Evaluator, dict[str, Any]]]


def measure(path: Path, episodes: int, seed: int) -> dict[str, Rows]:
    """In each of the run's environments, random, untrained, trained and optimal play, each with its result."""
    config = read_settings(RunDirectory.open(path))
    evaluators = [
        evaluator_for(run=path, policy="random"),
        evaluator_for(run=path, model=config.model),
        evaluator_for(run=path),
    ]
    if has_planner := [env for env in config.envs if NamedEnv(env, config.env_kwargs).has_planner()]:
        evaluators.append(evaluator_for(run=path, policy="planner"))
    players = {
        env: [evaluator.in_env(env, config.env_kwargs) for evaluator in evaluators[: None if env in has_planner else 3]]
        for env in config.envs
    }
    return {env: [(who, who.measure(episodes, seed)) for who in own] for env, own in players.items()}


def save_measurements(path: Path, worlds: dict[str, Rows]) -> None:
    """Leave in a run what was measured of it and of its untrained model, as an experiment does: `twosome report`.

    What was measured before, perhaps over more episodes, stays.
    """
    for rows in zip(*worlds.values(), strict=False):
        documents = [result for _, result in rows]
        name = UNTRAINED if documents[0].get("adapter") is None else EVALUATION
        if "adapter" in documents[0] and not os.path.lexists(path / name):
            with explain_write_errors(path):
                write_json(path / name, {**over_worlds(documents), "hardware": hardware()})


def show(path: Path, episodes: int = 100, seed: int = 1000) -> dict[str, Rows]:
    """Print the comparison and the curve, write the pictures, say what to try next; returns what was measured."""
    run = RunDirectory.open(path)
    config = read_settings(run)
    metrics = checked_metrics(run)
    console = plain_console()
    console.print(f"\nMeasuring over {episodes} fresh episodes each ...", style="dim")
    worlds = measure(path, episodes, seed)
    pictures = {env: _show_world(path, config, env, metrics, rows, seed) for env, rows in worlds.items()}
    seconds = sum(row[name] for row in metrics for name in row if name.endswith("_s"))
    console.print(f"\n{metrics[-1]['decisions']:,} decisions in {seconds:.0f} s of training.")
    console.print(f"  settings, metrics, checkpoints    {path}/", soft_wrap=True)
    for env, (curve, film, page) in pictures.items():
        console.print(f"  learning curve                    {curve}", soft_wrap=True)
        without = f"no film: {env} does not draw itself (no rgb_array among its render_modes)"
        console.print(f"  film of an episode                {film or without}", soft_wrap=True)
        console.print(f"  trained beside untrained, a page  {page}", soft_wrap=True)
    console.print("\nTry next:")
    console.print(f"  twosome eval {path} --episodes 500", soft_wrap=True)
    console.print(f"  tensorboard --logdir {path}", soft_wrap=True)
    console.print("  twosome train --env TomatoLettuceSalad")
    console.print("  twosome envs")
    return worlds


def _show_world(
    path: Path, config: TrainConfig, env: str, metrics: list[dict[str, Any]], rows: Rows, seed: int
) -> tuple[Path, Path | None, Path]:
    """Print the comparison and the curve in one environment; returns the pictures: curve, film, page."""
    world = world_name(env)
    if config.more_envs:
        metrics = [of_world(row, world) for row in metrics]
    console = plain_console()
    console.print(comparison([(evaluator.name, result) for evaluator, result in rows]))

    levels = {evaluator.name: result["return_mean"] for evaluator, result in rows if not result.get("adapter")}
    gamma = text.gamma_of(env, config.env_kwargs)
    if config.gamma not in (None, gamma):
        levels = {}
        console.print(
            f"The curve counts returns with the run's --gamma {config.gamma}, the table with the environment's "
            f"{gamma}: they cannot be compared, so the curve is drawn without the table's levels."
        )
    suffix = f"-{world.replace('/', '-')}" if config.more_envs else ""
    curve, film, page = (
        path / f"{Path(name).stem}{suffix}{Path(name).suffix}"
        for name in ("learning_curve.png", "episode.gif", WATCH_PAGE)
    )
    drawing = terminal_curve(metrics, levels, console.width, ascii_only=console.options.ascii_only)
    console.out(drawing, highlight=False)
    filmed = can_be_filmed(env, config.env_kwargs)
    trained, untrained = (
        next(evaluator for evaluator, result in rows if "adapter" in result and bool(result["adapter"]) is learned)
        for learned in (True, False)
    )
    with explain_write_errors(path):
        save_curve(metrics, levels, f"{config.model} on {env}, seed {config.seed}", curve)
        if filmed:
            save_film(record(trained.policy, env, config.env_kwargs, seed=seed), film)
    players = {"trained": trained, "untrained": untrained}
    save_watch_page(watched(path, players, episodes=1, seed=seed), page)
    return curve, film if filmed else None, page
