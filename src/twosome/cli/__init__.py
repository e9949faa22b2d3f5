"""The command `twosome`: parse, call, print. Each command's module is imported only when it is asked for."""

# Nothing else is imported here: the sooner `main` begins, the sooner Ctrl-C is one line.
import sys
from collections.abc import Sequence

COMMANDS = {
    "train": "train a language model to act in an environment",
    "eval": "measure a run, an untrained model or a baseline over fresh episodes",
    "experiment": "train and measure a grid of environments, methods and seeds from a file",
    "report": "curves, tables and intervals of all runs below a folder",
    "generalize": "test a run on tasks that it never met in training",
    "retain": "test whether training cost the model any language ability",
    "show": "table, learning curve and film of a run",
    "watch": "episodes of a run beside another policy, as a page to look at",
    "export": "a run as a folder to give away: merged model, adapters, card",
    "serve": "a policy that answers over HTTP",
    "score": "a prompt and candidate actions in, log-probabilities and policies out",
    "doctor": "look at an environment as a model reads it, before a run",
    "bench": "how fast scoring is on this machine, beside other ways of computing the same",
    "envs": "list the environments",
    "new-env": "write an environment of your own to begin with, and its test",
    "check-env": "everything that is wrong with an environment of your own",
    "replay": "play again what led an environment to crash or hang",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what to do; None: what this process was started to do, whose signals and standard streams are then
            in its care.

    Returns:
        The exit code: 0 done, 1 failed with an explanation, 2 misused, 130 interrupted by Ctrl-C (143 by SIGTERM, 129
        by SIGHUP).
    """
    if arguments is not None:
        return _run(list(arguments))
    try:
        from twosome.cli.process import as_process

        return as_process(lambda: _run(sys.argv[1:]))
    except KeyboardInterrupt:  # before anything was begun
        sys.stderr.write("twosome: interrupted\n")
        return 130


def _run(words: list[str]) -> int:
    import importlib
    import os
    import traceback

    import twosome
    from twosome.cli.process import complain
    from twosome.errors import TwosomeError
    from twosome.ppo.interrupt import Interrupted, exit_code, in_words

    if "--trust-env-module" in words or any(":" in word for word in words):
        _find_modules_here()
    if not words or words[0] in {"-h", "--help"}:
        print(_overview())  # noqa: T201 - this is what the command is for
        return 0
    if words[0] == "--version":
        print(twosome.__version__)  # noqa: T201 - this is what the command is for
        return 0
    if words[0] not in COMMANDS:
        complain(_no_command(words[0]))
        return 2
    command = importlib.import_module(f"twosome.cli.{words[0].replace('-', '_')}")
    try:
        code: int = command.main(words[1:])
    except TwosomeError as error:
        if os.environ.get("TWOSOME_TRACEBACK"):
            traceback.print_exception(error)
        complain(str(error))
        return 1
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Interrupted) else Interrupted().number
        complain(str(stop) or in_words(number))
        return exit_code(number)
    return code


def _find_modules_here() -> None:
    """Let environments be imported from the current folder, as under `python -m twosome`.

    Unlike there it is searched last, so that no file that lies about stands in for an installed package; and only where
    the command line names an environment's module or trusts one, so that no file of a run in which one stands is taken
    for a package that some library would like to have.
    """
    import contextlib
    import os

    with contextlib.suppress(FileNotFoundError):  # the folder may have been removed meanwhile
        here = os.getcwd()
        if "" not in sys.path and here not in sys.path:
            sys.path.append(here)


def _no_command(word: str) -> str:
    import difflib

    from twosome.errors import quote

    close = difflib.get_close_matches(word, COMMANDS, n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"there is no command {quote(word)}.{hint} `twosome --help` lists them."


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
