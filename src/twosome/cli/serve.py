"""`twosome serve`: a policy that answers over HTTP."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from twosome.cli.parse import parse
from twosome.console import announce, plain_console
from twosome.extras import require_serving
from twosome.runs import RunDirectory, saved_folder
from twosome.setting_types import Range, Seed, Threads, check_settings
from twosome.trust import Consent, read_settings


@dataclass(frozen=True)
class Serve:
    """Answer over HTTP what a policy would do: POST /act and /score take a prompt and actions as JSON.

    Requests that come at once are scored in one batch. /docs describes all; /health and /metrics are for monitoring.
    It answers this machine alone; with --host others, too, if they bring the token in the environment variable
    TWOSOME_TOKEN.

    Examples:
        twosome serve runs/TomatoSalad-1
        twosome serve my-cook --port 9000
        TWOSOME_TOKEN=... twosome serve my-cook --host 0.0.0.0
    """

    run: Annotated[Path, tyro.conf.Positional]
    """Run directory, or a folder that `Agent.save` or `twosome export` wrote."""
    checkpoint: str = "last"
    """Which checkpoint of a run: last, best, or a folder's name."""
    host: str = "127.0.0.1"
    """Address to listen at; 0.0.0.0: all of this machine."""
    port: Annotated[int, Range(0, 65535)] = 8000
    """Port to listen at; 0: a free one."""
    device: str | None = None
    """Where the model runs; by default where it was trained."""
    seed: Seed = 0
    """Of the actions that are drawn."""
    threads: Threads = 1
    """CPU threads of PyTorch."""
    consent: Annotated[Consent, tyro.conf.arg(name="")] = field(default_factory=Consent)


def main(arguments: Sequence[str]) -> int:
    """Parse, load, answer."""
    options = parse(Serve, "serve", arguments)
    check_settings(options, flags=True)
    require_serving("twosome serve")
    if saved_folder(options.run) is None:
        run_directory = RunDirectory.open(options.run)
        run_directory.checkpoint(options.checkpoint)
        read_settings(run_directory, plays=False)
    from twosome.serve.web import address_of, listen, run, token_for

    token = token_for(options.host)
    listening = listen(options.host, options.port)
    announce(f"Loading PyTorch and {options.run} ...", quiet=False)
    import torch

    from twosome.policy.loading import load_policy
    from twosome.serve.api import policy_server

    torch.set_num_threads(options.threads)
    actor, _, folder = load_policy(options.run, options.checkpoint, device=options.device)
    app = policy_server(actor, token=token, seed=options.seed)
    console = plain_console()
    console.print(f"  {folder} answers at   {address_of(listening)}", soft_wrap=True)
    console.print(f"  what can be asked   {address_of(listening)}/docs", soft_wrap=True)
    run(app, listening)
    return 0
