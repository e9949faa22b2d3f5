"""A JSON object as a command-line argument."""

import json
from typing import Annotated, Any

import tyro


def _parse(arguments: list[str]) -> dict[str, Any]:
    text = arguments[0]
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f'{text} is not JSON ({error}); expected something like \'{{"layout": "B"}}\'') from error
    if not isinstance(content, dict):
        raise ValueError(f'{text} is not a JSON object; expected something like \'{{"layout": "B"}}\'')
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
