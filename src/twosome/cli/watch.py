"""`twosome watch`: an episode as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.runs import WATCH_PAGE, RunDirectory
from twosome.setting_types import require_at_least
from twosome.trust import Consent, read_settings


@dataclass(frozen=True)
class Watch:
    """Record episodes of a run beside another policy, as a page to look at.

    It shows the environment, the prompt, the probability of each valid action, tokens colored by log-probability, the
    critic's value, the run's curves and warnings. The page is one file that needs no network and no server: open it in
    any browser, or send it to somebody.

    Examples:
        twosome watch runs/TomatoSalad-1
        twosome watch runs/TomatoSalad-1 --against step-0000002560 --episodes 4
        twosome watch runs/FoodPreparation-1 --against planner --html food.html
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    against: str = "untrained"
    """Who is shown beside it: untrained, random, planner, or another checkpoint of the run."""
    checkpoint: str = "last"
    """Which checkpoint of the run: last, best, or a folder's name."""
    episodes: int = 2
    """Episodes of each of the two."""
    seed: int = 1000
    """Episode i is reset with seed + i."""
    html: Path | None = None
    """Where to write the page; watch.html in the run's folder otherwise."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print what was recorded as one JSON document, and write no page."""


def main(arguments: Sequence[str]) -> int:
    """Parse, play, write."""
    options = parse(Watch, "watch", arguments)
    require_at_least("episodes", options.episodes, 1)
    require_at_least("seed", options.seed, 0)
    from twosome.evaluate.request import OTHERS

    run = RunDirectory.open(options.run)
    run.checkpoint(options.checkpoint)
    if options.against not in OTHERS:
        run.checkpoint(options.against)
    read_settings(run)
    announce("Loading PyTorch and the models ...", quiet=options.json)
    from twosome.evaluate.watch import players_of, watched
    from twosome.report.watch import save_watch_page

    players = players_of(options.run, options.against, options.checkpoint)
    document = watched(
        options.run, players, checkpoint=options.checkpoint, episodes=options.episodes, seed=options.seed
    )
    if options.json:
        print(json.dumps(document))  # noqa: T201 - the document is the output
        return 0
    page = options.html or options.run / WATCH_PAGE
    size = save_watch_page(document, page)
    console = plain_console()
    for episode in document["episodes"]:
        name, end = document["players"][episode["player"]]["name"], episode["return"]
        how = "goes on" if end is None else f"return {end:.3f}, {'success' if episode['success'] else 'no success'}"
        console.print(f"  seed {episode['seed']}, {name:12} {len(episode['steps'])} decisions, {how}")
    if document["pictures_left_out"]:
        console.print(f"  {document['pictures_left_out']} pictures are left out, so that the page stays small")
    console.print(f"\n  open in a browser   {page} ({size / 1e6:.1f} MB)", soft_wrap=True)
    return 0
