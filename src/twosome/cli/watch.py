"""`twosome watch`: an episode as a page."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.errors import ConfigError
from twosome.extras import require_serving
from twosome.runs import WATCH_PAGE, RunDirectory
from twosome.setting_types import Range, check_settings, require_at_least
from twosome.trust import Consent, read_settings


@dataclass(frozen=True)
class Watch:
    """Record episodes of a run beside another policy, as a page to look at.

    It shows the environment, the prompt, the probability of each valid action, tokens colored by log-probability, the
    critic's value, the run's curves and warnings. The page is one file that needs no network and no server: open it in
    any browser, or send it to somebody.

    With --serve the same page plays while you watch: step by step, with actions of your own, in any environment, with
    any two checkpoints or normalizations, and with curves that grow while the run trains.

    Examples:
        twosome watch runs/TomatoSalad-1
        twosome watch runs/TomatoSalad-1 --against step-0000002560 --episodes 4
        twosome watch runs/FoodPreparation-1 --against planner --html food.html
        twosome watch runs/kitchen --env Entertainment
        twosome watch runs/TomatoSalad-1 --serve
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory."""
    against: str = "untrained"
    """Who is shown beside it: untrained, random, planner, or another checkpoint of the run."""
    env: str | None = None
    """Environment to play in; by default the one that the run was trained on, of several the first."""
    checkpoint: str = "last"
    """Which checkpoint of the run: last, best, or a folder's name."""
    episodes: int = 2
    """Episodes of each of the two."""
    seed: int = 1000
    """Episode i is reset with seed + i; with --serve the first one is."""
    html: Path | None = None
    """Where to write the page; watch.html in the run's folder otherwise."""
    serve: bool = False
    """Play in a local server's page, and record nothing (needs the extra `serve`)."""
    host: str | None = None
    """With --serve: address to listen at, by default 127.0.0.1; another needs a token in TWOSOME_TOKEN."""
    port: Annotated[int, Range(0, 65535)] | None = None
    """With --serve: port to listen at, by default 8000; 0: a free one."""
    models: tuple[str, ...] = ()
    """With --serve: other language models, untrained, that can be chosen."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)
    json: bool = False
    """Print what was recorded as one JSON document, and write no page."""


def main(arguments: Sequence[str]) -> int:
    """Parse, play, write."""
    options = parse(Watch, "watch", arguments)
    require_at_least("episodes", options.episodes, 1)
    require_at_least("seed", options.seed, 0)
    check_settings(options, flags=True)
    _check_flags(options)
    from twosome.evaluate.request import OTHERS

    run = RunDirectory.open(options.run)
    run.checkpoint(options.checkpoint)
    if options.against not in (*OTHERS, *options.models):
        run.checkpoint(options.against)
    read_settings(run)
    if options.serve:
        return _serve(options)
    announce("Loading PyTorch and the models ...", quiet=options.json)
    from twosome.evaluate.watch import players_of, watched
    from twosome.report.watch import save_watch_page

    players = players_of(options.run, options.against, options.checkpoint, options.env)
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


def _check_flags(options: Watch) -> None:
    """Refuse flags that mean nothing with --serve, or without it."""
    serving = {"--host": options.host, "--port": options.port, "--models": options.models or None}
    recording = {
        "--html": options.html,
        "--json": options.json or None,
        "--env": options.env,
        "--episodes": None if options.episodes == Watch.episodes else options.episodes,
    }
    meaningless = [flag for flag, value in (recording if options.serve else serving).items() if value is not None]
    if meaningless:
        how = "with --serve, which records nothing" if options.serve else "without --serve"
        raise ConfigError(f"{', '.join(meaningless)} cannot be given {how}; expected only what it takes. Leave it out.")


def _serve(options: Watch) -> int:
    require_serving("--serve")
    from twosome.serve.web import address_of, listen, run, token_for

    host = options.host or "127.0.0.1"
    token = token_for(host)
    listening = listen(host, 8000 if options.port is None else options.port)
    announce("Loading PyTorch and the models ...", quiet=False)
    from twosome.serve.watching import watch_server

    app = watch_server(
        options.run,
        against=options.against,
        checkpoint=options.checkpoint,
        models=options.models,
        seed=options.seed,
        token=token,
    )
    behind = "" if token is None else "/#token=... (that of TWOSOME_TOKEN)"
    plain_console().print(f"  open in a browser   {address_of(listening)}{behind}", soft_wrap=True)
    run(app, listening)
    return 0
