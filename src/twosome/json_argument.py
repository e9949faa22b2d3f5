"""A JSON object as a command-line argument."""

import json
from typing import Annotated, Any

import tyro

from twosome.documents import parse_json
from twosome.errors import quote

_EXPECTED = 'expected something like \'{"layout": "B"}\''


def _parse(arguments: list[str]) -> dict[str, Any]:
    text = arguments[0]
    try:
        content = parse_json(text)
    except ValueError as error:
        raise ValueError(f"{quote(text)} is not JSON ({error}); {_EXPECTED}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{quote(text)} is not a JSON object; {_EXPECTED}")
    return content


JsonObject = Annotated[
    dict[str, Any],
    tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="JSON",
        instance_from_str=_parse,
        is_instance=lambda value: isinstance(value, dict),
        str_from_instance=lambda value: [json.dumps(value)],
    ),
]
"""A JSON object, given on the command line as one word."""
