"""Command-line arguments into a command's options, by tyro; the class's docstring is the help."""

import inspect
from collections.abc import Sequence
from typing import TypeVar, cast

import tyro

Options = TypeVar("Options")


def parse(options: type[Options], name: str, arguments: Sequence[str], default: Options | None = None) -> Options:
    """The options that the arguments stand for; exits with 0 after --help, and with 2 on a misspelt flag.

    Args:
        options: a frozen dataclass; its docstring, examples included, is the description.
        name: of the command.
        arguments: what follows the command's name.
        default: values of the fields that are not given.
    """
    # tyro leaves out a docstring's sections; the examples are the part of a help text that is read first.
    parsed = tyro.cli(
        options,
        prog=f"twosome {name}",
        description=inspect.getdoc(options),
        args=list(arguments),
        default=default,
        config=(tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    )
    # Without a default tyro's types allow None, which it never returns.
    return cast(Options, parsed)
