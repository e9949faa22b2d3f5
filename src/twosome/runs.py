"""The run directory: one format, in one file. It reads and writes; it knows nothing of models.

::

    runs/tomato/
      config.json       the resolved settings
      versions.json     what it ran on
      metrics.jsonl     one object per update
      events.out.*      the same for TensorBoard
      checkpoints/
        step-0000001280/  appears whole or not at all; manifest.json has the hash of each file
        best            a text file that names the checkpoint with the best mean return
      evaluation.json   `twosome eval --json` of the finished run, where an experiment or the end of training made it
      untrained.json    the same for its model without training

A checkpoint is written aside, flushed to the disk and renamed, so that a crash at any moment leaves the
earlier ones as they were. Every file is JSON or safetensors: nothing in a run can execute code.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

from twosome.documents import parse_json
from twosome.errors import CheckpointError, RunError, quote

CONFIG = "config.json"
VERSIONS = "versions.json"
METRICS = "metrics.jsonl"
STATE = "state.json"
MANIFEST = "manifest.json"
LOCK = ".lock"
EXPERIMENT = "experiment.json"
EVALUATION = "evaluation.json"
UNTRAINED = "untrained.json"
_ASIDE = ".writing-"
_CHECKPOINT = re.compile(r"step-\d{10}")
_PIECE_BYTES = 2**20


class RunDirectory:
    """Reads and writes one run; made by `create` or `open`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._metrics_bytes = 0

    @classmethod
    def create(cls, path: Path, config: dict[str, Any], versions: dict[str, Any]) -> "RunDirectory":
        """Begin a run in a new or empty folder, or in one that a run left which was killed while it began.

        Raises:
            RunError: the folder holds something already, or cannot be written.
        """
        cls.require_free(path)
        with explain_write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
        run = cls(path)
        # Two that begin in one folder at once: the second one meets the first one's lock or its settings.
        with run.locked(), explain_write_errors(path):
            cls.require_free(path)
            (path / "checkpoints").mkdir(exist_ok=True)
            write_json(path / VERSIONS, versions)
            write_json(path / CONFIG, config)
        return run

    @staticmethod
    def require_free(path: Path) -> None:
        """Check that a run can begin in a folder, without making it.

        Raises:
            RunError: there is a file of that name, or the folder holds something already.
        """
        with explain_write_errors(path):
            if path.exists() and not path.is_dir():
                raise RunError(f"{path} is a file; expected a new or empty folder. Choose one with --output.")
            others = [entry.name for entry in path.iterdir() if not _is_of_a_beginning(entry)] if path.exists() else []
        if CONFIG in others:
            raise RunError(
                f"{path} is not empty. Choose another folder with --output, delete this one, "
                f"or go on with the run in it: twosome train --resume {path}"
            )
        if others:
            raise RunError(
                f"{path} is not empty, and no run: it has no {CONFIG}, but {quote(others[0])}. Choose another folder "
                "with --output, or delete this one."
            )

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing to this run meanwhile; the system forgets the lock when we end.

        Raises:
            RunError: another process is writing to it.
        """
        with exclusively(self.path / LOCK) as claim:
            if claim is None:
                raise RunError(
                    f"another process is writing to {self.path}. Wait until it ends, or stop it (Ctrl-C saves)."
                )
            yield

    @classmethod
    def open(cls, path: Path) -> "RunDirectory":
        """Go back to a run.

        Raises:
            RunError: ``path`` is not a run directory.
        """
        if not os.path.isfile(path / CONFIG):  # which is False, too, for a path that no system takes
            raise RunError(
                f"{quote(str(path))[1:-1]} is not a run directory: it has no {CONFIG}. Expected the folder that "
                "`twosome train --output` wrote. If that was stopped before its first file was whole, begin it again."
            )
        return cls(path)

    def read_config(self) -> dict[str, Any]:
        """The settings of the run."""
        return read_json(self.path / CONFIG)

    # -- metrics ---------------------------------------------------------------------------------------

    def append_metrics(self, metrics: dict[str, Any]) -> int:
        """Add one line; returns the size of the file afterwards, in bytes."""
        self._require_untouched()
        with explain_write_errors(self.path), open(self.path / METRICS, "ab") as file:
            file.write((json.dumps(metrics) + "\n").encode())
            file.flush()
            self._metrics_bytes = file.tell()
            return self._metrics_bytes

    def _require_untouched(self) -> None:
        """Check that what was written is still there, so that no run goes on that could not be opened afterwards.

        Raises:
            RunError: settings or metrics were removed, or metrics cut, by somebody else.
        """
        found = os.path.getsize(self.path / METRICS) if os.path.isfile(self.path / METRICS) else 0
        missing = CONFIG if not os.path.isfile(self.path / CONFIG) else METRICS if found < self._metrics_bytes else None
        if missing is not None:
            raise RunError(
                f"{self.path / missing} was removed or cut while this run was writing there. Put it back and go on "
                f"with: twosome train --resume {self.path}, or begin a new run."
            )

    def truncate_metrics(self, size_bytes: int) -> None:
        """Forget the metrics of updates after a checkpoint, which will be made again."""
        path = self.path / METRICS
        found = path.stat().st_size if path.exists() else 0
        if found < size_bytes:
            raise RunError(
                f"{path} has {found} bytes, but the checkpoint was written when it had {size_bytes}: "
                "it was shortened since. Restore the file, or begin a new run."
            )
        with explain_write_errors(self.path), open(path, "ab") as file:
            file.truncate(size_bytes)
        self._metrics_bytes = size_bytes

    def read_metrics(self) -> list[dict[str, Any]]:
        """One object per update, in order; a half-written last line is left out."""
        path = self.path / METRICS
        if not path.exists():
            return []
        rows = []
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
            try:
                row = parse_json(line.decode())
                if not isinstance(row, dict):
                    raise ValueError(f"it is {quote(row)}")
            except ValueError as error:
                raise RunError(
                    f"{path} is damaged: line {number} is no JSON object ({error}). Restore it from a copy, or begin a "
                    "new run."
                ) from error
            rows.append(row)
        return rows

    # -- checkpoints -----------------------------------------------------------------------------------

    def checkpoints(self) -> list[str]:
        """Names of the whole checkpoints, oldest first; what else lies in their folder is none, and is left alone."""
        folder = self.path / "checkpoints"
        if not folder.is_dir():
            return []
        return sorted(e.name for e in folder.iterdir() if e.is_dir() and _CHECKPOINT.fullmatch(e.name))

    def is_finished(self, budget: int) -> bool:
        """Whether the checkpoint after the last of so many decisions is there, whole."""
        done = self.checkpoint_name(budget) in self.checkpoints()
        return done and self.verified_checkpoint().name == self.checkpoint_name(budget)

    def checkpoint(self, which: str = "last") -> Path:
        """Folder of a checkpoint: ``"last"``, ``"best"`` or a name.

        Raises:
            CheckpointError: there is none.
        """
        names = self.checkpoints()
        if not names:
            self._require_unbegun()
            raise CheckpointError(
                f"{self.path} has no checkpoint yet: the run ended before its first one. "
                f"Start it again with: twosome train --resume {self.path}"
            )
        best = self.path / "checkpoints" / "best"
        name = which
        if which == "last":
            name = names[-1]
        elif which == "best" and best.is_file():
            name = best.read_text().strip()
        if name not in names:
            raise CheckpointError(
                f"{self.path} has no checkpoint {name!r}. It has: {', '.join(names)}. 'last' names the latest; 'best' "
                "the one with the highest mean return over 100 episodes, once so many have ended."
            )
        return self.path / "checkpoints" / name

    def checkpoint_to_go_on_from(self) -> Path | None:
        """The last checkpoint, verified; None where the run ended before its first one.

        Raises:
            CheckpointError: it is damaged, or the checkpoints of the run are gone.
        """
        if self.checkpoints():
            return self.verified_checkpoint("last")
        self._require_unbegun()
        return None

    def _require_unbegun(self) -> None:
        """Check that a run without a checkpoint never had one, so that beginning it again loses nothing.

        Raises:
            CheckpointError: there are metrics of updates.
        """
        if rows := self.read_metrics():
            raise CheckpointError(
                f"{self.path} has metrics of {len(rows)} updates and no checkpoint: its checkpoints were removed. "
                "Put them back into its folder checkpoints, or begin a new run with another --output."
            )

    def verified_checkpoint(self, which: str = "last") -> Path:
        """Like `checkpoint`, after comparing every file with the hash taken when it was written.

        Raises:
            CheckpointError: a file is missing or has changed.
        """
        folder = self.checkpoint(which)
        others = [name for name in self.checkpoints() if name != folder.name]
        remedy = (
            f"Delete {folder} to go on from {others[-1]}."
            if others
            else "There is no other checkpoint; begin a new run."
        )
        try:
            hashes = read_json(folder / MANIFEST)
        except RunError as error:
            raise CheckpointError(f"the checkpoint {folder} is damaged: {error} {remedy}") from error
        if not hashes:
            raise CheckpointError(f"the checkpoint {folder} is damaged: its {MANIFEST} names no file. {remedy}")
        for name, expected in hashes.items():
            if not (folder / name).is_file() or sha256(folder / name) != expected:
                raise CheckpointError(
                    f"the checkpoint {folder} is damaged: {name} is not what was written there. {remedy}"
                )
        return folder

    @staticmethod
    def checkpoint_name(decisions: int) -> str:
        """Name of the checkpoint after so many decisions; names sort by age."""
        return f"step-{decisions:010d}"

    def mark_best(self, name: str) -> None:
        """Remember a checkpoint as the best so far, if it is there."""
        if name in self.checkpoints():
            with explain_write_errors(self.path):
                _write_text(self.path / "checkpoints" / "best", name)

    def write_checkpoint(self, name: str, write: Callable[[Path], None], *, best: bool, keep: int) -> Path:
        """Make a checkpoint that appears whole or not at all, then delete old ones.

        Args:
            name: see `checkpoint_name`.
            write: fills an empty folder.
            best: also remember it as the best so far.
            keep: how many of the latest checkpoints stay, beside the best.

        Raises:
            RunError: the disk is full or the folder cannot be written; earlier checkpoints are intact.
        """
        self._require_untouched()
        folder = self.path / "checkpoints"
        aside = folder / (_ASIDE + name)
        try:
            with explain_write_errors(self.path):
                folder.mkdir(exist_ok=True)
                self._discard_unfinished()
                # The state after so many decisions is always the same: one that is there already is not written again.
                if name not in self.checkpoints():
                    aside.mkdir()
                    write(aside)
                    hashes = {file.name: sha256(file) for file in sorted(aside.iterdir()) if file.is_file()}
                    write_json(aside / MANIFEST, hashes)
                    for file in aside.rglob("*"):
                        _flush(file)
                    _flush(aside)
                    if (self.path / METRICS).exists():
                        # The checkpoint says how long this file was; it must not be shorter after a power cut.
                        _flush(self.path / METRICS)
                    os.rename(aside, folder / name)
                    _flush(folder)
                if best:
                    self.mark_best(name)
                self._prune(keep)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return folder / name

    def _prune(self, keep: int) -> None:
        names = self.checkpoints()
        best = self.path / "checkpoints" / "best"
        kept = {*names[-keep:], best.read_text().strip() if best.is_file() else ""}
        for name in names:
            if name not in kept:
                # Out of sight first: a half-deleted folder must not look like a checkpoint.
                doomed = self.path / "checkpoints" / (_ASIDE + name)
                os.rename(self.path / "checkpoints" / name, doomed)
                shutil.rmtree(doomed)

    def _discard_unfinished(self) -> None:
        for leftover in (self.path / "checkpoints").glob(_ASIDE + "*"):
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def _is_of_a_beginning(entry: Path) -> bool:
    """Whether a run leaves this behind when it is killed before its settings are written."""
    if entry.name == "checkpoints":
        return entry.is_dir() and not entry.is_symlink() and not any(entry.iterdir())
    return entry.name in {VERSIONS, LOCK} or entry.name.startswith(_ASIDE)


@contextlib.contextmanager
def exclusively(path: Path) -> Iterator[int | None]:
    """Take the lock of a file, made if need be; None if another process has it.

    Yields:
        The open file. A process that inherits it keeps the lock for as long as it lives; the system forgets the lock
        when all of them have ended, however that came about.

    Raises:
        RunError: the file cannot be made.
    """
    with explain_write_errors(path.parent):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        yield descriptor if _locks(descriptor) else None
    finally:
        os.close(descriptor)


def _locks(descriptor: int) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def sha256(path: Path) -> str:
    """Hash of a file's content, in hexadecimal; of the file no more than a piece is in memory at a time."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        RunError: it is missing or not an object in JSON.
    """
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing; this folder is not, or no longer, what `twosome train` wrote.") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}. Restore it from a copy, or begin a new run.") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} should hold a JSON object, not {type(content).__name__}.")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object in one step, so that it is never seen half written."""
    _write_text(path, json.dumps(content, indent=2) + "\n")


def _write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that it is never seen half written."""
    aside = path.with_name(_ASIDE + path.name)
    aside.write_text(text)
    _flush(aside)
    os.replace(aside, path)
    _flush(path.parent)


def _flush(path: Path) -> None:
    """Ask the system to put a file or folder on the disk now."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def explain_write_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write into one that says what to do.

    Raises:
        RunError: in place of the system's own error, and of safetensors' own.
    """
    try:
        yield
    except (OSError, SafetensorError) as error:
        # safetensors reports a full disk as an error of its own.
        reason = getattr(error, "strerror", None) or str(error)
        place = getattr(error, "filename", None) or path
        run = os.path.isfile(path / CONFIG)
        saved = f" Whatever was saved in {path} before is intact." if run else ""
        going_on = f"; an interrupted run goes on with: twosome train --resume {path}" if run else "."
        raise RunError(
            f"cannot write to {place}: {reason}.{saved} Make room or choose another folder with --output{going_on}"
        ) from error
