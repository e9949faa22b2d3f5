"""`twosome replay`: play again what led an environment to crash or hang."""

import faulthandler
import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from twosome.cli.parse import parse
from twosome.errors import EnvError, visible
from twosome.setting_types import require_at_least
from twosome.trust import require_consent

_STANDARD_ERROR = 2


@dataclass(frozen=True)
class Replay:
    """Play again what was played until an environment failed, in this process, and show where it fails.

    Prints each action of the last episode before it is carried out, and the traceback if the environment raises an
    exception again; the command then ends with 1. With --step-timeout also where it is when it hangs.

    Examples:
        twosome replay runs/tomato/lost/seed-1791095845-episode-3.json
        twosome replay runs/tomato/lost/seed-1791095845-episode-3.json --step-timeout 30
    """

    file: Annotated[Path, tyro.conf.Positional]
    """What an error, or a warning, named after "twosome replay"."""
    step_timeout: int | None = None
    """Seconds after which a step or a reset counts as hanging: where it is is printed, and the command ends with 1."""
    trust_env_module: bool = False
    """Import the module that registers the environment. Only for sources you trust."""
    json: bool = False
    """Print one JSON document and nothing else on standard output."""


def main(arguments: Sequence[str]) -> int:
    """Parse, play, print."""
    options = parse(Replay, "replay", arguments)
    if options.step_timeout is not None:
        require_at_least("step-timeout", options.step_timeout, 1)
    from twosome.envs import replay, text

    saved = replay.Replay.load(options.file)
    require_consent(saved.env, options.trust_env_module, f"the file {options.file}")

    def say(line: str) -> None:
        if not options.json:
            print(visible(line), flush=True)  # noqa: T201 - it may be the last that is heard

    say(f"{saved.env}, seed {saved.seed}, to episode {saved.episode}")
    error = None
    faulthandler.enable(_STANDARD_ERROR)
    try:
        with text.make_checked(saved.env, **saved.env_kwargs) as env:
            for episode, step, phrase in saved.play(env):
                if episode == saved.episode:
                    say(f"  step {step}: {phrase}" if step else "  reset")
                if options.step_timeout is not None:
                    faulthandler.dump_traceback_later(options.step_timeout, exit=True, file=_STANDARD_ERROR)
            faulthandler.cancel_dump_traceback_later()
    except EnvError as failure:
        error = failure
    if options.json:
        found = {"env": saved.env, "seed": saved.seed, "episode": saved.episode, "error": error and str(error)}
        print(json.dumps(found))  # noqa: T201 - the document is the output
    elif error is not None:
        print("".join(traceback.format_exception(error.__cause__ or error)), end="")  # noqa: T201 - what was asked for
        say(str(error))
    else:
        say("The environment did all of it without an error.")
    return int(error is not None)
