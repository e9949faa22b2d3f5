"""The types of every call are checked in tests, at a tenth of the time where no array is among them."""

import functools
from types import FunctionType
from typing import Any, get_type_hints

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import _decorator

_jaxtyped = jaxtyping.jaxtyped
_beartype = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def install() -> None:
    """Let jaxtyping's import hook decorate what it finds with `checked`."""
    for module in (jaxtyping, _decorator):
        vars(module)["jaxtyped"] = checked


def checked(thing: Any = None, *, typechecker: Any) -> Any:
    """What `jaxtyping.jaxtyped` does; a function in whose signature is no array is left to beartype alone.

    jaxtyping binds the arguments of each call anew, to compare the shapes of arrays with each other: there are none.
    """
    if thing is None:
        return functools.partial(checked, typechecker=typechecker)
    if not isinstance(thing, FunctionType):
        return _jaxtyped(thing, typechecker=typechecker)
    own = thing.__annotations__
    hints = {name: _resolved(hint, thing.__globals__) for name, hint in own.items()}
    if "jaxtyping." in str(list(hints.values())):
        return _jaxtyped(thing, typechecker=typechecker)
    thing.__annotations__ = hints
    try:
        typed = _beartype(thing)
    finally:
        thing.__annotations__ = own
    if typed is thing:  # nothing in it is to be checked
        return thing

    @functools.wraps(thing)
    def called(*args: Any, **kwargs: Any) -> Any:
        return (thing if jaxtyping.config.jaxtyping_disable else typed)(*args, **kwargs)

    return called


def _resolved(hint: Any, names: dict[str, Any]) -> Any:
    """A hint without quotes. As in jaxtyping, one with a name that is not there yet stands for anything."""

    def holder() -> None: ...

    holder.__annotations__ = {"hint": hint}
    try:
        return get_type_hints(holder, names, include_extras=True)["hint"]
    except Exception:  # whatever a name that is not there yet raises
        return Any
