"""Environments in processes of their own, so that several work at once, and none can hold up or take down a run.

**The same numbers.** Processes do nothing but carry out what they are told. Which action is taken, in which row of a
rollout it stands, what is counted and what is learned is decided by the caller, in the order of the environments and
not of their answers. So nothing depends on how many work at a time, nor on which of them is the fastest.

**A process for each environment**, of which `workers` work at a time: what hangs or dies is one environment, and the
episodes of all others go on. An environment has `timeout_s` for an answer from the moment at which it begins to work on
it; then its process is killed, with all that it has started. What failed raises `EnvCrashError`, and begins anew by
`RemoteEnv.restart`.

Gymnasium's `AsyncVectorEnv` does not serve: it needs spaces whose values can be batched, so no lists of actions that
change; one environment's error or timeout ends all of them; and all work at once.
"""

import json
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from multiprocessing import connection
from typing import Any

import cloudpickle
import gymnasium

from twosome.decision import Decision
from twosome.envs import callables
from twosome.envs.checked import EnvCloseWarning, Fits, Step, doing_step, located, phrase_of
from twosome.envs.history import EpisodePosition, History
from twosome.envs.worker import About, Posed, Question, RemoteTraceback, Start
from twosome.errors import EnvCrashError, EnvError, TwosomeError, quote
from twosome.observation import Observation
from twosome.trust import granted

_CLOSING_S = 5.0
"""How long environments may take to close before their processes are ended."""
_ENDING_S = 1.0
"""How long a process may take to end once its environment is closed."""
_LEAST_STARTING_S = 60.0
"""How long an environment may take to be made, at least, where a step has a limit; else ten times as long as that."""
_BEGIN = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from twosome.envs.worker import main; main(int(sys.argv[1]))"
)


class EnvPool:
    """Opens environments of one kind in processes of their own.

    Args:
        name: of the environment.
        kwargs: its arguments.
        fits: whether a model's context holds what an environment tells; None: no model is to read it.
        workers: how many of the processes work at a time.
        timeout_s: how long a step or a reset may take; None: as long as it likes.
        beside: of environments of another kind, with which these share the workers.

    Raises:
        EnvError: the environment cannot be handed to another process.
    """

    def __init__(
        self,
        name: str,
        kwargs: Mapping[str, Any],
        fits: Fits | None,
        workers: int,
        timeout_s: float | None = None,
        beside: "EnvPool | None" = None,
    ) -> None:
        if os.name != "posix":
            raise EnvError("environments in processes of their own need Linux or macOS: leave out --env-workers.")
        self.start = Start(name, dict(kwargs), _registered(name), fits is not None, granted())
        self.fits = fits
        self.workers = workers
        self.timeout_s = math.inf if timeout_s is None else timeout_s
        self.envs: list[RemoteEnv] = [] if beside is None else beside.envs

    def __enter__(self) -> "EnvPool":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> "RemoteEnv":
        """An environment that begins to be made as soon as there is a worker for it."""
        self.envs.append(RemoteEnv(self))
        return self.envs[-1]

    def close(self) -> None:
        """Close all environments, side by side."""
        _close(self.envs)

    def work(self) -> None:
        """Let environments begin what they were asked to do, then wait for an answer, or for one that is overdue."""
        for env in self.envs:
            if sum(env.is_at_work for env in self.envs) < self.workers:
                env.begin_next()
        at_work = [env for env in self.envs if env.is_at_work]
        left_s = min([env.deadline for env in at_work], default=0.0) - time.monotonic()
        answered = connection.wait(
            [env.connection for env in at_work], None if left_s == math.inf else max(0.0, left_s)
        )
        for env in at_work:
            if env.connection in answered:
                env.take_in()
            elif env.deadline <= time.monotonic() and not env.connection.poll():
                env.fail(f"it did not answer within {env.allowed_s:g} s (--step-timeout), so its process was ended")


class RemoteEnv:
    """An environment in another process, asked in the words of `CheckedEnv`.

    Args:
        pool: what it belongs to.

    Attributes:
        observation: what a policy is shown now; without the environment, which is elsewhere.
        history: what was asked of it.
        elapsed: steps that each of its time limits had counted when its state was asked for last.
        deadline: when an answer is overdue, by the monotonic clock.
        allowed_s: how long it has for the answer.
        connection: to its process.
    """

    observation: Observation
    connection: "connection.Connection[Any, Any]"

    def __init__(self, pool: EnvPool) -> None:
        self.history = History()
        self.elapsed: list[int | None] = []
        self._pool = pool
        self._process: subprocess.Popen[bytes] | None = None
        self._await_start()

    def _await_start(self) -> None:
        self.deadline = self.allowed_s = math.inf
        self._about: About | None = None
        self._asked: deque[tuple[str, tuple[Any, ...], str]] = deque([("start", (), "start")])
        self._at_work: tuple[str, str] | None = None
        self._answers: deque[Any] = deque()
        self._goes_on = False

    # -- playing ---------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> Decision:
        """As `CheckedEnv.reset`."""
        return self.begin_reset(seed)()

    def begin_reset(self, seed: int | None = None) -> Callable[[], Decision]:
        """As `CheckedEnv.begin_reset`."""
        if self._goes_on:
            self._goes_on = False
        else:
            self.history.reset(seed)
            self._ask("reset", seed)
        return self._posed

    def step(self, action: int) -> Step:
        """As `CheckedEnv.step`."""
        return self.begin_step(action)()

    def begin_step(self, action: int, *, go_on: bool = False) -> Callable[[], Step]:
        """As `CheckedEnv.begin_step`."""
        phrase = phrase_of(action, self.observation.actions)
        self.history.step(action, phrase)
        doing = doing_step(self.position.step, action, phrase)
        self._ask("step_and_go_on" if go_on else "step", action, doing=doing)
        return self._stepped

    def _stepped(self) -> Step:
        step: Step = self._answer()
        if step.decision is not None:
            self.observation = Observation(step.decision, step.vector)
        return step

    def _posed(self) -> Decision:
        posed: Posed = self._answer()
        self.observation = Observation(posed.decision, posed.vector)
        return posed.decision

    # -- what it is, and where it stands ---------------------------------------------------------------

    @property
    def name(self) -> str:
        """As of `CheckedEnv`."""
        return self.about.name

    @property
    def num_actions(self) -> int | None:
        """As of `CheckedEnv`."""
        return self.about.num_actions

    @property
    def can_restore(self) -> bool:
        """As of `CheckedEnv`."""
        return self.about.can_restore

    @property
    def is_limitable(self) -> bool:
        """As of `CheckedEnv`."""
        return self.about.is_limitable

    @property
    def about(self) -> About:
        """What the environment is, once it is made."""
        if self._about is None:
            self._about = self._next_answer()
        return self._about

    def wait_made(self) -> None:
        """Wait until the environment is made.

        Raises:
            EnvError: it cannot be made.
        """
        assert self.about

    @property
    def position(self) -> EpisodePosition:
        """As of `CheckedEnv`."""
        return self.history.position

    def attribute(self, name: str, default: Any) -> Any:
        """As `CheckedEnv.attribute`, of what can be sent from one process to another."""
        self._ask("attribute", name, default)
        return self._answer()

    def get_state(self) -> dict[str, Any]:
        """As `CheckedEnv.get_state`."""
        self._ask("get_state")
        state: dict[str, Any]
        state, self.elapsed = self._answer()
        return state

    def set_state(
        self, state: dict[str, Any], position: EpisodePosition, elapsed: list[int | None] | None = None
    ) -> Decision:
        """As `CheckedEnv.set_state`."""
        self.history.restore(position, state, elapsed or [])
        self._ask("set_state", state, position, elapsed)
        return self._posed()

    # -- its process -----------------------------------------------------------------------------------

    def restart(self) -> None:
        """Let another process make the environment anew."""
        self.end()
        self._await_start()

    def close(self) -> None:
        """Close the environment, and end its process."""
        _close([self])

    def end(self) -> None:
        """End the process at once, with all that it has started."""
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):  # of a process that has ended, on macOS
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.connection.close()
        self._at_work = None

    def ask_to_close(self) -> bool:
        """Ask an idle environment to close; one that is at work, or does not hear, is ended at once."""
        if self._process is not None and not self.is_at_work:
            with suppress(OSError):
                self.connection.send(("close", ()))
                return True
        self.end()
        return False

    def wait_closed(self, left_s: float) -> None:
        """Wait until the environment is closed and its process has ended."""
        name = self._pool.start.name
        try:
            if self.connection.poll(left_s):
                for warning in self.connection.recv():
                    warnings.warn(warning, EnvCloseWarning, stacklevel=4)
                self.connection.poll(_ENDING_S)  # the end of the connection, when the process ends
            else:
                text = f"the environment {quote(name)} did not close within {_CLOSING_S:g} s; its process was ended."
                warnings.warn(text, EnvCloseWarning, stacklevel=4)
        except (EOFError, OSError):
            text = f"the process of the environment {quote(name)} ended while it was closed."
            warnings.warn(text, EnvCloseWarning, stacklevel=4)
        finally:
            self.end()

    # -- asking ----------------------------------------------------------------------------------------

    @property
    def is_at_work(self) -> bool:
        """Whether its process has begun what it was asked, and not answered."""
        return self._at_work is not None

    def begin_next(self) -> None:
        """Begin what was asked first, if the process is free."""
        if self.is_at_work or not self._asked:
            return
        method, arguments, doing = self._asked.popleft()
        self._set_to_work(method, doing)
        try:
            if method == "start":
                self._start_process()
                self.connection.send(self._pool.start)
            else:
                self.connection.send((method, arguments))
        except OSError:  # take_in will say why
            pass

    def take_in(self) -> None:
        """Take in what the process has sent."""
        assert self._at_work is not None
        method, doing = self._at_work
        try:
            message = self.connection.recv()
        except (EOFError, OSError):
            self.fail(f"its process {self._how_it_ended()}")
            return
        if isinstance(message, Question):
            assert self._pool.fits is not None
            self.connection.send(self._pool.fits(message.prompt, message.phrases))
            self._set_to_work(method, doing)
            return
        self._at_work = None
        if isinstance(message, TwosomeError):
            message.__cause__ = RemoteTraceback(getattr(message, "traceback", ""))
            self._asked.clear()
            if method == "start":
                self.end()
        elif method == "step_and_go_on" and message.decision is None:
            self._goes_on = True
            self.history.reset(None)
            self._set_to_work("reset", "reset")
        self._answers.append(message)

    def fail(self, reason: str) -> None:
        """Answer with an error; the process is ended, if it has not ended by itself."""
        assert self._at_work is not None
        where = located(self._about.name if self._about else self._pool.start.name, self.position, self._at_work[1])
        self.end()
        self._asked.clear()
        self._answers.append(EnvCrashError(f"{where}{reason}."))

    def _ask(self, method: str, *arguments: Any, doing: str | None = None) -> None:
        self._asked.append((method, arguments, doing or self._doing(method)))

    def _doing(self, method: str) -> str:
        return method if method == "reset" else f"{method} after step {self.position.step}"

    def _answer(self) -> Any:
        self.wait_made()
        return self._next_answer()

    def _next_answer(self) -> Any:
        while not self._answers:
            self._pool.work()
        answer = self._answers.popleft()
        if isinstance(answer, TwosomeError):
            raise answer
        return answer

    def _set_to_work(self, method: str, doing: str) -> None:
        self._at_work = (method, doing)
        self.allowed_s = self._pool.timeout_s
        if method == "start" and self.allowed_s < math.inf:
            self.allowed_s = max(_LEAST_STARTING_S, 10 * self.allowed_s)
        self.deadline = time.monotonic() + self.allowed_s

    def _start_process(self) -> None:
        self.connection, theirs = multiprocessing.Pipe()
        with theirs:
            command = [sys.executable, "-c", _BEGIN, str(theirs.fileno()), json.dumps(sys.path, default=str)]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
            )

    def _how_it_ended(self) -> str:
        assert self._process is not None
        with suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_ENDING_S)
            return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
        return "hung up"


def _close(envs: Iterable[RemoteEnv]) -> None:
    closing = [env for env in envs if env.ask_to_close()]
    deadline = time.monotonic() + _CLOSING_S
    try:
        for env in closing:
            env.wait_closed(max(0.0, deadline - time.monotonic()))
    finally:
        for env in closing:
            env.end()


def _registered(name: str) -> bytes:
    """How an environment is registered here, for a process in which it may not be."""
    spec = gymnasium.registry.get(name.rpartition(":")[2])
    made_by = getattr(spec.entry_point, "made_by", None) if spec is not None and callables.is_callable(name) else None
    try:
        pickled: bytes = cloudpickle.dumps((spec if made_by is None else None, made_by))
    except Exception as error:  # of whatever a function has around it
        raise EnvError(
            f"the environment {quote(name)} cannot be handed to another process: {quote(error)}. Register it with "
            "Gymnasium in a module and name it, --env module:id, or leave out --env-workers."
        ) from error
    return pickled
