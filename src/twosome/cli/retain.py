"""`twosome retain`: whether training cost a run's model any language ability."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.box import SIMPLE_HEAD
from rich.table import Table

from twosome.cli.parse import parse
from twosome.config import shown_envs
from twosome.console import announce, plain_console
from twosome.errors import RunError
from twosome.evaluate.harness import PERPLEXITY, SHIPPED, check_retain
from twosome.run_files import write_json
from twosome.trust import Consent


@dataclass(frozen=True)
class Retain:
    """Test whether training cost a run's model any language ability, item by item, without and with its adapter.

    By default on tasks that ship for hearth and need no network; on others by lm-evaluation-harness's names, or from
    files. Several runs of one model take less time together, as it is asked once without an adapter, and those that
    differ in their seeds are put together. Needs the extra: pip install 'twosome[retention]'. Written into each run's
    folder as retention.json.

    Examples:
        twosome retain runs/FoodPreparation-1
        twosome retain runs/my-run --tasks hellaswag,piqa,arc_challenge --limit 500
        twosome retain runs/my-run --tasks ./blimp.jsonl.gz,./mine.jsonl
        twosome retain runs/food-1 runs/food-2 runs/food-3
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN...", help_behavior_hint="")]
    """Run directories, at least one."""
    tasks: str = ",".join(SHIPPED)
    """Tasks or groups of the harness, or files of items (.jsonl, .jsonl.gz), separated by commas."""
    limit: int | None = None
    """At most so many items of each task, the first ones."""
    checkpoint: str = "last"
    """Which checkpoint of each run: last, best, or a folder's name."""
    batch_size: int = 16
    """Items that pass through the model together."""
    threads: int = 1
    """CPU threads of PyTorch."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print one JSON document and nothing else."""


def main(arguments: Sequence[str]) -> int:
    """Parse, test, write, print."""
    options = parse(Retain, "retain", arguments)
    check_retain(
        options.runs,
        limit=options.limit,
        checkpoint=options.checkpoint,
        batch_size=options.batch_size,
        threads=options.threads,
    )
    announce("Loading PyTorch and the model ...", quiet=options.json)
    from twosome.evaluate.retention import retain, together

    console = plain_console()

    def finished(run: Path, result: dict[str, Any]) -> None:
        document = run / "retention.json"
        try:
            write_json(document, result)
        except OSError as error:
            raise RunError(
                f"cannot write to {run}: {error.strerror}. Make room, or copy the run to a folder of yours."
            ) from error
        if not options.json:
            status.stop()
            console.print(table(result))
            console.print(conclusion(result["all"]), soft_wrap=True)
            console.print(f"\n  all numbers   {document}\n", soft_wrap=True)
            status.start()

    # By its file: what the harness says on standard error is swallowed, and the status is not to be with it.
    with plain_console(file=sys.stderr, quiet=options.json).status("Loading the model ...") as status:
        results = retain(
            options.runs,
            [name.strip() for name in options.tasks.split(",")],
            limit=options.limit,
            checkpoint=options.checkpoint,
            batch_size=options.batch_size,
            threads=options.threads,
            progress=status.update,
            finished=finished,
        )
    common = together(results)
    if options.json:
        whole = results[0] if len(results) == 1 else {"runs": results, "together": common}
        print(json.dumps(whole))  # noqa: T201 - the document is the output
        return 0
    for training in common:
        seeds = ", ".join(map(str, training["seeds"]))
        runs = f"Mean of seeds {seeds} on {shown_envs(training['trained_on'])}"
        console.print(f"{runs}: {conclusion(training['all'])}", soft_wrap=True)
    return 0


def table(result: Mapping[str, Any]) -> Table:
    """A row for each task, and one for the mean over those with an accuracy; changes of accuracy are in points."""
    trained_on = result["trained_on"]
    title = f"{result['model']} trained on {shown_envs(trained_on)}, seed {trained_on['seed']}: language tasks"
    made = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    made.add_column("task")
    for name in ("items", "before", "after", "change (95%)", "lost/won", "p"):
        made.add_column(name, justify="right", no_wrap=True)
    for name, row in result["tasks"].items():
        # The prefix only keeps our names apart from the harness's own.
        made.add_row(
            name.removeprefix("hearth_"), *(_perplexity(row) if row["metric"] == PERPLEXITY else _accuracy(row))
        )
    if result["all"] is not None:
        made.add_row("accuracy", *_accuracy(result["all"]), style="bold")
    return made


def _accuracy(row: Mapping[str, Any]) -> tuple[str, ...]:
    # Rounded before the sign is shown, and zero added, so that none is -0.0.
    change, high, low = (round(-100 * value, 1) + 0.0 for value in (row["drop"], *row["drop_ci95"]))
    spread = f"{change:+.1f} ({low:+.1f} to {high:+.1f})"
    changed = f"{row['lost']}/{row['won']}"
    return (str(row["items"]), f"{row['base']:.1%}", f"{row['trained']:.1%}", spread, changed, f"{row['p']:.2g}")


def _perplexity(row: Mapping[str, Any]) -> tuple[str, ...]:
    low, high = row["ratio_ci95"]
    change = f"x{row['ratio']:.3f} ({low:.3f} to {high:.3f})"
    return (str(row["items"]), f"{row['base']:.3f}", f"{row['trained']:.3f}", change, "", "")


def conclusion(found: Mapping[str, Any] | None) -> str:
    """What the tasks say of the claim that training costs less than a point, in one sentence."""
    if found is None:
        return "No task has an accuracy, so that nothing is said of points lost; compare the perplexities."
    drop, (low, high) = found["drop"], found["drop_ci95"]
    return (
        f"Training lost {100 * drop:.2f} points of mean accuracy (95% interval {100 * low:.2f} to {100 * high:.2f}; "
        f"below zero is a gain): that less than one point was lost is {found['claim']}."
    )
