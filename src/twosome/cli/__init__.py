"""The command `twosome`: parse, call, print. Each command's module is imported only when it is asked for."""

import contextlib
import difflib
import importlib
import os
import sys
from collections.abc import Sequence

import twosome
from twosome.errors import TwosomeError

COMMANDS = {
    "train": "train a language model to act in a world",
    "eval": "measure a run, an untrained model or a baseline over fresh episodes",
    "experiment": "train and measure a grid of worlds, methods and seeds from a file",
    "report": "curves, tables and intervals of all runs below a folder",
    "generalize": "test a run on tasks that it never met in training",
    "retain": "test whether training cost the model any language ability",
    "show": "table, learning curve and film of a run",
    "score": "a prompt and candidate actions in, log-probabilities and policies out",
    "bench": "how fast scoring is on this machine, beside other ways of computing the same",
    "envs": "list the worlds",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code: 0 done, 1 failed with an explanation, 2 misused, 130 interrupted."""
    _find_modules_here()
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201 - this is what the command is for
        return 0
    if words[0] == "--version":
        print(twosome.__version__)  # noqa: T201 - this is what the command is for
        return 0
    if words[0] not in COMMANDS:
        close = difflib.get_close_matches(words[0], COMMANDS, n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        _complain(f"there is no command {words[0]!r}.{hint} `twosome --help` lists them.")
        return 2
    command = importlib.import_module(f"twosome.cli.{words[0]}")
    try:
        code: int = command.main(words[1:])
    except TwosomeError as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt as stop:
        _complain(str(stop) or "interrupted")
        return 130
    except BrokenPipeError:
        # The reader of our output went away, as in `twosome envs | head -1`: that is its right.
        sys.stderr.close()
        return 0
    return code


def _find_modules_here() -> None:
    """Let worlds be imported from the current folder, as under `python -m twosome`.

    Unlike there it is searched last, so that no file that lies about stands in for an installed package.
    """
    with contextlib.suppress(FileNotFoundError):  # the folder may have been removed meanwhile
        here = os.getcwd()
        if "" not in sys.path and here not in sys.path:
            sys.path.append(here)


def _complain(message: str) -> None:
    print(f"twosome: {message}", file=sys.stderr)  # noqa: T201 - errors go to standard error


def _overview() -> str:
    lines = [f"  {name:<10} {about}" for name, about in COMMANDS.items()]
    return "\n".join(
        [
            "usage: twosome COMMAND [OPTIONS]",
            "",
            "A language model learns to act: it scores every action that is valid now, and PPO improves it.",
            "",
            *lines,
            "",
            "twosome COMMAND --help explains a command. To begin:",
            "",
            "  twosome train --env TomatoSalad",
        ]
    )
