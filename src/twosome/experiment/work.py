"""Carrying out one run: train it or go on with it, measure it, each in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal

from twosome.baselines.config import BaselineConfig
from twosome.documents import parse_json
from twosome.errors import RunError, TwosomeError, quote
from twosome.experiment.grid import Cell, Reference
from twosome.experiment.measurement import MEASUREMENTS, document, is_done, path_of
from twosome.experiment.settings import flags
from twosome.experiment.state import is_measured, state_of
from twosome.files import open_to_append, open_to_read
from twosome.run_files import explain_write_errors, file_lock, write_json
from twosome.runs import EVALUATION, LOCK, UNTRAINED, RunDirectory
from twosome.trust import Consent
from twosome.versions import hardware

_MOST_SAID = 1000
"""Characters of a process's last words that are repeated."""


@dataclass(frozen=True)
class TaskResult:
    """How it went. ``reason`` is what a failure says for itself."""

    status: Literal["done", "failed", "busy", "stopped"]
    reason: str = ""


class _LeftUndoneError(Exception):
    """The task is not finished, and nothing went wrong."""

    def __init__(self, status: Literal["busy", "stopped"]) -> None:
        super().__init__(status)
        self.outcome = TaskResult(status)


class Worker:
    """Carries out runs, in several threads if need be; `interrupt` lets the processes of all save and end.

    Args:
        consent: what the command line of the experiment consents to.
    """

    def __init__(self, consent: Consent) -> None:
        self._consent = consent
        self._children: set[subprocess.Popen[str]] = set()
        self._guard = threading.Lock()
        self._stopped = False

    def interrupt(self) -> None:
        """As Ctrl-C would: each process ends its update and saves."""
        with self._guard:
            self._stopped = True
            for child in self._children:
                child.send_signal(signal.SIGINT)

    def carry_out(self, task: Cell | Reference) -> TaskResult:
        """Do what is left to do, unless another process is at it."""
        try:
            with explain_write_errors(task.path):
                task.path.parent.mkdir(parents=True, exist_ok=True)
            # Its processes inherit the lock: it stays taken while one of them outlives a killed experiment.
            with file_lock(task.path.with_suffix(".lock")) as claim:
                if claim is None:
                    raise _LeftUndoneError("busy")
                self._complete(task, claim)
        except _LeftUndoneError as left:
            return left.outcome
        except TwosomeError as error:
            return TaskResult("failed", str(error))
        return TaskResult("done")

    def _complete(self, task: Cell | Reference, claim: int) -> None:
        if isinstance(task, Reference):
            self._measure(_reference_arguments(task), task.path, task, claim)
            return
        if (state := state_of(task)) == "new":
            RunDirectory.require_free(task.path)
        if isinstance(task.config, BaselineConfig):
            if state != "done":
                settings = {
                    "kind": task.kind,
                    "config": asdict(task.config),
                    "evaluation": asdict(task.evaluation),
                    "trust_env_module": self._consent.trust_env_module,
                }
                self._run(["twosome.experiment.baseline", str(task.path), json.dumps(settings)], task, claim)
            return
        if state in ("new", "begun"):
            self._train(task, resume=state == "begun", claim=claim)
        run = [str(task.path), *self._consent.flags()]
        self._measure(run, task.path / EVALUATION, task, claim)
        if task.untrained:
            self._measure([*run, "--model", task.config.model], task.path / UNTRAINED, task, claim)
        for name in task.also:
            if not is_done(name, task.request):
                words = [*MEASUREMENTS.find(name).command(task.request), *self._consent.flags()]
                self._write(path_of(task.path, name), document(name, task.request, self._answer(words, task, claim)))

    def _train(self, cell: Cell, *, resume: bool, claim: int) -> None:
        if resume:
            with file_lock(cell.path / LOCK) as free:
                if free is None:  # somebody trains it by hand
                    raise _LeftUndoneError("busy")
            arguments = ["--resume", str(cell.path), *self._consent.flags()]
        else:
            arguments = ["--env", cell.env, "--seed", str(cell.seed), "--output", str(cell.path), *flags(cell.given)]
        self._run(["twosome", "train", *arguments, "--no-show", "--json"], cell, claim)

    def _measure(self, who: list[str], path: Path, task: Cell | Reference, claim: int) -> None:
        """`twosome eval` of somebody, its document saved with the machine that it ran on."""
        if is_measured(path, task.evaluation):
            return
        episodes = ["--episodes", str(task.evaluation.episodes), "--seed", str(task.evaluation.seed)]
        words = ["twosome", "eval", *who, *episodes, "--threads", str(task.threads), "--json"]
        self._write(path, self._answer(words, task, claim))

    def _answer(self, words: list[str], task: Cell | Reference, claim: int) -> dict[str, Any]:
        """The JSON document that a command prints."""
        answer = self._run(words, task, claim)
        try:
            # What libraries print comes before.
            return dict(parse_json(answer.splitlines()[-1]))
        except (IndexError, ValueError, TypeError) as error:
            raise RunError(f"`{' '.join(words)}` printed no JSON document, but {quote(answer)}") from error

    @staticmethod
    def _write(path: Path, measured: Mapping[str, Any]) -> None:
        with explain_write_errors(path.parent):
            write_json(path, {**measured, "hardware": hardware()})

    def _run(self, words: list[str], task: Cell | Reference, claim: int) -> str:
        """Standard output of `python -m WORDS`; what it says on standard error goes into the task's log."""
        log = task.path.with_suffix(".log")
        with explain_write_errors(log), open_to_append(log) as errors:
            said_before = errors.tell()
            child = self._begin(words, task.threads, errors, claim)
        try:
            answer, _ = child.communicate()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            child.wait()
            raise
        finally:
            with self._guard:
                self._children.discard(child)
        if self._stopped and child.returncode:
            raise _LeftUndoneError("stopped")
        if child.returncode:
            raise RunError(f"{_last_words(log, said_before, child.returncode)} (all of it: {log})")
        return answer

    def _begin(self, words: list[str], threads: int, errors: IO[bytes], claim: int) -> subprocess.Popen[str]:
        with self._guard:
            if self._stopped:
                raise _LeftUndoneError("stopped")
            child = subprocess.Popen(
                [sys.executable, "-m", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                errors="replace",
                # Several processes share the cores: none may take more threads than it is meant to have.
                env={**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)},
                pass_fds=(claim,) if os.name == "posix" else (),
                # In a session of its own Ctrl-C reaches it through `interrupt` alone, and once.
                start_new_session=True,
            )
            self._children.add(child)
            return child


def carry_out(task: Cell | Reference, consent: Consent) -> TaskResult:
    """Do what is left to do of one run, in this thread."""
    return Worker(consent).carry_out(task)


def _reference_arguments(reference: Reference) -> list[str]:
    env = ["--env", reference.env, "--env-kwargs", json.dumps(reference.env_kwargs)]
    return ["--policy", reference.policy, *env]


def _last_words(log: Path, begin: int, code: int) -> str:
    """The message with which a process ended, from what it added to a log that had ``begin`` bytes."""
    with open_to_read(log) as file:
        file.seek(begin)
        added = file.read().decode(errors="replace")
    lines = [line.strip() for line in added.splitlines() if line.strip()]
    said = lines[-1].removeprefix("twosome: ")[:_MOST_SAID] if lines else "it said nothing"
    said = "".join(c if c.isprintable() else "?" for c in said)
    return f"killed by signal {-code}; before: {said}" if code < 0 else said
