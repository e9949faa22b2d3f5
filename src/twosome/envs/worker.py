"""The process in which one environment lives; `twosome.envs.remote` is its other side.

It is a fresh interpreter, which loads neither the caller's script nor, unless its environment does, PyTorch, in a
session of its own: Ctrl-C in a terminal reaches the trainer alone, and whoever ends the process ends what the
environment has started with it. When the trainer is gone, however that came, the process ends, even in the middle of
a step.

What passes between the two are values of this package and plain ones, since the environment's answers have been read
here, by the same `CheckedEnv` as everywhere.
"""

import contextlib
import ctypes
import os
import pickle
import select
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs import callables, text
from twosome.envs.checked import CheckedEnv, EnvCloseWarning, Step, limit_prompts, raised
from twosome.errors import EnvError, TwosomeError, quote
from twosome.trust import Consent, grant

_DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux's prctl."""


@dataclass(frozen=True)
class Start:
    """What a process is told first.

    Attributes:
        name: of the environment.
        kwargs: its arguments.
        registered: pickled: how the name is registered with Gymnasium in the trainer's process, if it is.
        limits_prompts: whether the trainer knows what a model's context holds, and can be asked.
        consent: what the trainer's command line consents to, for an environment that opens a run.
    """

    name: str
    kwargs: dict[str, Any]
    registered: bytes
    limits_prompts: bool
    consent: Consent


class About(NamedTuple):
    """What an environment is, as far as that never changes."""

    name: str
    num_actions: int | None
    can_restore: bool
    is_limitable: bool


class Posed(NamedTuple):
    """A choice, and the same situation in numbers, if the environment has any."""

    decision: Decision
    vector: NDArray[Any] | None


class Question(NamedTuple):
    """Asks the trainer whether a model's context holds a prompt with each of some phrases."""

    prompt: str
    phrases: tuple[str, ...]


class RemoteTraceback(Exception):  # noqa: N818 - it stands for one, as in concurrent.futures
    """The traceback of an error in the environment's process, as a text."""


def main(descriptor: int) -> None:
    """Make the environment and carry out what comes through the connection, until it ends."""
    os.set_inheritable(descriptor, False)
    connection = Connection(descriptor)
    _end_with_the_trainer(descriptor)
    with contextlib.suppress(EOFError, ConnectionError):
        _serve(connection)


def _serve(connection: Any) -> None:
    try:
        env = _make(connection, connection.recv())
    except TwosomeError as error:
        connection.send(_with_traceback(error))
        return
    connection.send(About(env.name, env.num_actions, env.can_restore, env.is_limitable))
    while True:
        method, arguments = connection.recv()
        if method == "close":
            connection.send(_closed(env))
            return
        try:
            answer = _CARRIED_OUT.get(method, _called)(env, method, *arguments)
            connection.send(answer)
            if method == "step_and_go_on" and answer.decision is None:
                connection.send(_posed(env, "reset", None))
        except TwosomeError as error:
            connection.send(_with_traceback(error))


def _make(connection: Any, start: Start) -> CheckedEnv:
    _register(start)
    grant(start.consent)

    def fits(prompt: str, phrases: Sequence[str]) -> bool:
        connection.send(Question(prompt, tuple(phrases)))
        return bool(connection.recv())

    env = text.make_checked(start.name, **start.kwargs)
    if start.limits_prompts:
        limit_prompts(env.env, fits)
    return env


def _register(start: Start) -> None:
    """Register the environment as it is registered with the trainer; where a module is named, importing it does so."""
    try:
        # From the trainer that started this process, through a pipe that nobody else has.
        spec, made_by = pickle.loads(start.registered)
    except Exception as error:  # of whatever has to be imported for it
        raise EnvError(
            f"the environment {quote(start.name)} is known to the process that trains, and not to that of an "
            f"environment: Python {raised(error)}. Register it in a module, and train with --env module:id."
        ) from error
    if made_by is not None:
        callables.register(made_by, start.name)
    elif spec is not None and ":" not in start.name and spec.id not in gymnasium.registry:
        gymnasium.registry[spec.id] = spec


def _stepped(env: CheckedEnv, _: str, action: int) -> Step:
    step = env.step(action)
    return step._replace(vector=None if step.vector is None else np.array(step.vector))


def _posed(env: CheckedEnv, method: str, *arguments: Any) -> Posed:
    """What `reset` or `set_state` leads to."""
    decision = getattr(env, method)(*arguments)
    vector = env.observation.vector
    return Posed(decision, None if vector is None else np.array(vector))


def _called(env: CheckedEnv, method: str, *arguments: Any) -> Any:
    return getattr(env, method)(*arguments)


def _closed(env: CheckedEnv) -> list[str]:
    """Close the environment; returns what there is to warn of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", EnvCloseWarning)
        env.close()
    return [str(warning.message) for warning in warned if issubclass(warning.category, EnvCloseWarning)]


def _saved(env: CheckedEnv, _: str) -> tuple[dict[str, Any], list[int | None]]:
    return env.get_state(), env.elapsed


_CARRIED_OUT: dict[str, Any] = {
    "step": _stepped,
    "step_and_go_on": _stepped,
    "reset": _posed,
    "set_state": _posed,
    "get_state": _saved,
}


def _with_traceback(error: TwosomeError) -> TwosomeError:
    """The error as it can be sent; what it came from goes along as a text."""
    sent = type(error)(*error.args)
    sent.traceback = "".join(traceback.format_exception(error))  # type: ignore[attr-defined]
    return sent


def _end_with_the_trainer(descriptor: int) -> None:
    """End this process, and what it has started, as soon as the trainer's end of the connection is closed."""
    if sys.platform == "linux":
        # At once, also where an environment's code in C lets no other thread run; but this process alone.
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)

    def wait() -> None:
        hung_up = select.poll()
        hung_up.register(descriptor, 0)
        hung_up.poll()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()
