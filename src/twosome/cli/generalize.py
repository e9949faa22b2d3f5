"""`twosome generalize`: test a run on tasks that it never met in training."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.table import Table

from twosome.cli.parse import parse
from twosome.config import shown_envs
from twosome.console import announce, plain_console
from twosome.errors import ConfigError, RunError
from twosome.evaluate.panel import ALL, SEED, Panel, rows
from twosome.run_files import write_json
from twosome.runs import RunDirectory
from twosome.setting_types import require_at_least
from twosome.trust import Consent, read_settings

if TYPE_CHECKING:
    from twosome.evaluate.suites import Suite


@dataclass(frozen=True)
class Generalize:
    """Test a run on tasks that it never met, beside random play, its untrained model and the optimal planner.

    Success and return with 95% intervals, task by task and over all; written into the run's folder as
    generalization-PANEL.json and .png, or generalization-suite-NAME.json and .png.

    Examples:
        twosome generalize runs/FoodPreparation-1
        twosome generalize runs/HouseholdTask-1 --panel household
        twosome generalize runs/TomatoSalad-1 --panel kitchens --episodes 20 --json
        twosome generalize runs/quest --suite quests.toml
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    panel: Panel | None = None
    """paper (the default): other food, a dishwasher, a washing machine; household: 50 held-out tasks; kitchens: other
    salads."""
    suite: Path | None = None
    """In place of a panel: a TOML file with tasks, each with name, env, env_kwargs and seeds; see
    docs/generalization.md."""
    episodes: int | None = None
    """Episodes of each task of the panel for each player, 2 or more; by default 100, and 10 for the 50 tasks of
    household."""
    seed: int | None = None
    """Task i of the panel is played with the seeds from seed + i * episodes on; by default 1000."""
    checkpoint: str = "last"
    """Which checkpoint of the run: last, best, or a folder's name."""
    greedy: bool = False
    """The models play their most probable action instead of drawing."""
    threads: int = 1
    """CPU threads of PyTorch."""
    env_workers: int | None = None
    """Step environments in processes of their own, so many at a time, with the same results; by default as the run was
    trained. The planner plays in this process."""
    step_timeout: float | None = None
    """With --env-workers: seconds after which a step or a reset counts as hanging, which ends the test."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, test, write, print."""
    options = parse(Generalize, "generalize", arguments)
    suite = _suite(options)
    announce("Loading PyTorch and the models ...", quiet=options.json)
    from twosome.evaluate.generalization import generalize
    from twosome.report.bars import save_bars

    console = plain_console()
    with plain_console(stderr=True, quiet=options.json).status("Loading the models ...") as status:
        result = generalize(
            options.run,
            suite,
            checkpoint=options.checkpoint,
            greedy=options.greedy,
            threads=options.threads,
            env_workers=options.env_workers,
            step_timeout=options.step_timeout,
            progress=lambda message: status.update(f"Task {message}"),
        )
    document, picture = (options.run / f"{suite.result}.{kind}" for kind in ("json", "png"))
    try:
        write_json(document, result)
        save_bars(rows(result), _title(result), f"{_note(result)}; whiskers: 95% intervals", picture)
    except OSError as error:
        raise RunError(
            f"cannot write to {options.run}: {error.strerror}. Make room, or copy the run to a folder of yours."
        ) from error
    if options.json:
        print(json.dumps(result))  # noqa: T201 - the document is the output
        return 0
    console.print(table(result))
    console.print(
        "Successful episodes (95% interval), and below the return ± half of its 95% interval.\n", soft_wrap=True
    )
    console.print(conclusion(result), soft_wrap=True)
    console.print(f"\n  all numbers   {document}\n  picture       {picture}", soft_wrap=True)
    return 0


def _suite(options: Generalize) -> "Suite":
    """The tasks that are meant; what can be refused before a model is loaded is refused."""
    if options.episodes is not None:
        require_at_least("episodes", options.episodes, 2)
    run = RunDirectory.open(options.run)
    config = read_settings(run)
    run.checkpoint(options.checkpoint)
    from twosome.evaluate.request import Request
    from twosome.evaluate.suites import panel_suite, read_suite

    if options.suite is None:
        seed = SEED if options.seed is None else options.seed
        return panel_suite(options.panel or "paper", config, options.episodes, seed)
    given = {"--panel": options.panel, "--episodes": options.episodes, "--seed": options.seed}
    if flags := [flag for flag, value in given.items() if value is not None]:
        raise ConfigError(
            f"{flags[0]} means nothing to --suite, whose file names tasks and seeds. Leave one of them out."
        )
    there = Request(
        options.run, policy="random", env_workers=options.env_workers, step_timeout=options.step_timeout
    ).named_env()
    return read_suite(options.suite, there.workers, there.timeout_s)


def table(result: Mapping[str, Any]) -> Table:
    """A row for each task, or kind of task, and one for all; a column for each player."""
    heading = f"{_title(result)}\n{_note(result)}"
    made = Table(title=heading, title_justify="left", show_lines=True)
    made.add_column("task")
    for name in result["players"]:
        made.add_column(name, no_wrap=True)
    for name, row in rows(result):
        made.add_row(name, *(_cell(row[who], who) for who in result["players"]), style="bold" if name == ALL else None)
    return made


def _cell(summary: Mapping[str, Any], who: str) -> str:
    """Success over return; the planner has no luck, and so no intervals."""
    success, mean = f"{summary['success_rate']:.0%}", f"{summary['return_mean']:.2f}"
    if who == "planner":
        return f"{success}\n\n{mean}"
    low, high = (100 * bound for bound in summary["success_ci95"])
    bottom, top = summary["return_ci95"]
    # A line of its own for each: four players and a name for the task have to fit into 80 columns.
    return f"{success}\n({low:.0f} to {high:.0f})\n{mean} ± {(top - bottom) / 2:.2f}"


def _title(result: Mapping[str, Any]) -> str:
    return (
        f"{result['players']['trained']['model']} trained on {shown_envs(result['trained_on'])}, on tasks it never met"
    )


def _note(result: Mapping[str, Any]) -> str:
    num_tasks, episodes = len(result["tasks"]), result["episodes_per_task"]
    of = f"panel {result['panel']}" if "panel" in result else f"suite {result['suite']} ({result['suite_hash'][:12]})"
    return f"{of}, {num_tasks} tasks, {episodes} episodes each"


def conclusion(result: Mapping[str, Any]) -> str:
    """What training has changed, in one sentence; success decides whether it helps."""
    gain = result["gain"]
    low, high = gain["success_ci95"]
    verdict = "helps here" if low > 0 else "hurts here" if high < 0 else "makes no clear difference here"
    spread = (
        "no interval: within each task all episodes had the same return"
        if gain["return_ci95"] is None
        else "{:+.2f} to {:+.2f}".format(*gain["return_ci95"])
    )
    return (
        f"Training {verdict}: it changes success on these tasks by {100 * gain['success']:+.0f} points "
        f"({100 * low:+.0f} to {100 * high:+.0f}) and the return by {gain['return']:+.2f} ({spread})."
    )
