"""Command-line arguments into a command's options, by tyro; the class's docstring is the help."""

import inspect
import shutil
import textwrap
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import tyro

from twosome.cli.process import complain
from twosome.errors import quote, visible
from twosome.trust import Consent, grant

Options = TypeVar("Options")


def parse(options: type[Options], name: str, arguments: Sequence[str]) -> Options:
    """The options that the arguments stand for; exits with 0 after --help, and with 2 on a misspelt flag.

    Args:
        options: a frozen dataclass; its docstring, examples included, is the description.
        name: of the command.
        arguments: what follows the command's name.
    """
    if [word.partition("=")[0] for word in arguments].count("--env") > 1:
        complain(f"{name} takes a single --env, and it is given several times. Only twosome train takes several.")
        raise SystemExit(2)
    # tyro repeats words as they are when it refuses them.
    shown = [visible(word) for word in arguments]
    settings: dict[str, Any] = {
        "prog": f"twosome {name}",
        "description": "",
        "args": list(arguments),
        "config": (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    }
    if {"-h", "--help"} & set(arguments):
        # By ourselves: tyro leaves out a docstring's sections, among them the examples, and does not wrap the rest.
        print(_wrapped(inspect.getdoc(options) or "", shutil.get_terminal_size().columns) + "\n")  # noqa: T201
    try:
        parsed, unknown = tyro.cli(
            options, **settings, return_unknown_args=True, console_outputs=shown == settings["args"]
        )
    except SystemExit:
        if shown != settings["args"]:
            tyro.cli(options, **{**settings, "args": shown})
        raise
    if unknown and not any(word.startswith("-") for word in unknown):
        complain(
            f"{name} takes no {quote(unknown[0])} without a flag before it. {_flag_for(options, name, unknown[0])}"
        )
        raise SystemExit(2)
    if unknown:
        tyro.cli(options, **{**settings, "args": shown})  # names the flag that was probably meant, and exits
    made = cast(Options, parsed)
    grant(_consent(made))
    return made


def _flag_for(options: type, name: str, word: str) -> str:
    """What was probably meant: where there is a flag for the environment, one forgets it most easily."""
    has_env = bool({"env", "environment"} & set(options.__annotations__))
    hint = f"If it is an environment: twosome {name} --env {word}. " if has_env and len(word) < 60 else ""
    return f"{hint}`twosome {name} --help` lists the flags."


def _wrapped(text: str, width: int) -> str:
    r"""Paragraphs filled to the width, and indented lines, which are commands, continued as a shell takes them.

    >>> print(_wrapped("one two\nthree four\n    cmd --a 1 --b 2", 15))
    one two three
    four
        cmd --a 1 \
          --b 2
    """
    blocks = []
    for paragraph in text.split("\n\n"):
        lines = paragraph.split("\n")
        prose = [line for line in lines if not line.startswith(" ")]
        blocks.append("\n".join([textwrap.fill(" ".join(prose), width), *_commands(lines[len(prose) :], width)]))
    return "\n\n".join(blocks)


def _commands(lines: list[str], width: int) -> list[str]:
    continued = []
    for line in lines:
        first, *flags = line.split(" --")
        continued.append(first)
        for flag in flags:
            if len(continued[-1]) + len(f" --{flag} \\") > width:
                continued[-1] += " \\"
                continued.append(f"      --{flag}")
            else:
                continued[-1] += f" --{flag}"
    return continued


def _consent(options: object) -> Consent:
    """What a command line consents to, wherever its options say so."""
    own = getattr(options, "consent", options)
    parts = (getattr(options, name, None) for name in ("consent", "loading", "model"))
    return Consent(
        trust_env_module=getattr(own, "trust_env_module", False),
        allow_other_model=getattr(own, "allow_other_model", False),
        trust_remote_code=any(getattr(part, "trust_remote_code", False) for part in parts),
    )
