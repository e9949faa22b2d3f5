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
earlier ones as they were. Every file is JSON or safetensors, and nothing in a run is a link: links are neither read
nor written through. What a run names may be code: `twosome.trust` asks for consent before any of it is loaded.
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

from twosome.documents import parse_json
from twosome.errors import CheckpointError, RunError, quote
from twosome.files import (
    ASIDE,
    PIECE_BYTES,
    flush,
    is_folder,
    open_to_append,
    open_to_read,
    sha256,
    write_bytes,
)
from twosome.run_files import (
    CONFIG,
    explain_read_errors,
    explain_write_errors,
    file_lock,
    read_explained,
    read_json,
    require_hashes,
    write_json,
)

VERSIONS = "versions.json"
METRICS = "metrics.jsonl"
STATE = "state.json"
MANIFEST = "manifest.json"
LOCK = ".lock"
EXPERIMENT = "experiment.json"
EVALUATION = "evaluation.json"
UNTRAINED = "untrained.json"
WATCH_PAGE = "watch.html"
AGENT = "agent.json"
"""What a saved agent is known by, which is no run: its settings, and the hashes of its model's files and of its own."""
EXPORTED = "agent"
"""Where the saved agent lies in what `twosome export` writes."""
_CHECKPOINT = re.compile(r"step-\d{10}")
_METRICS_BYTES = 2**31
_NAME_BYTES = 2**10


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
        """Check that a run can begin in a folder, without making it, or raise RunError."""
        with explain_write_errors(path):
            if path.exists() and not path.is_dir():
                raise RunError(f"{path} is a file; expected a new or empty folder. Choose one with --output.")
            others = [entry.name for entry in path.iterdir() if not _is_leftover(entry)] if path.exists() else []
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
        with file_lock(self.path / LOCK) as claim:
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
            named = quote(str(path))[1:-1]
            if not os.path.isdir(path):
                raise RunError(
                    f"there is no run directory {named}. Expected the folder that `twosome train --output` wrote; an "
                    "environment is named with --env."
                )
            raise RunError(
                f"{named} is not a run directory: it has no {CONFIG}. Expected the folder that `twosome train` wrote. "
                "If that was stopped before its first file was whole, begin it again."
            )
        return cls(path)

    def read_config(self) -> dict[str, Any]:
        """The settings of the run."""
        return read_json(self.path / CONFIG)

    # -- metrics ---------------------------------------------------------------------------------------

    def append_metrics(self, metrics: dict[str, Any]) -> int:
        """Add one line; returns the size of the file afterwards, in bytes."""
        self._require_untouched()
        with explain_write_errors(self.path), open_to_append(self.path / METRICS) as file:
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

    def metrics_hash(self, size_bytes: int) -> str:
        """Hash of the beginning of the metrics.

        Raises:
            RunError: there is less.
        """
        path = self.path / METRICS
        digest, found = hashlib.sha256(), 0
        if path.exists() or size_bytes:
            with explain_read_errors(path), open_to_read(path) as file:
                while piece := file.read(min(PIECE_BYTES, size_bytes - found)):
                    digest.update(piece)
                    found += len(piece)
        if found < size_bytes:
            raise RunError(
                f"{path} has {found} bytes, but the checkpoint was written when it had {size_bytes}: "
                "it was shortened since. Restore the file, or begin a new run."
            )
        return digest.hexdigest()

    def truncate_metrics(self, size_bytes: int) -> None:
        """Forget the metrics of updates after a checkpoint, which will be made again."""
        self.metrics_hash(size_bytes)
        with explain_write_errors(self.path), open_to_append(self.path / METRICS) as file:
            file.truncate(size_bytes)
        self._metrics_bytes = size_bytes

    def read_metrics(self) -> list[dict[str, Any]]:
        """One object per update, in order; a half-written last line is left out."""
        path = self.path / METRICS
        if not path.is_symlink() and not path.exists():
            return []
        rows = []
        for number, line in enumerate(read_explained(path, _METRICS_BYTES).split(b"\n")[:-1], start=1):
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
        folder = self._checkpoints
        if not folder.is_dir():
            return []
        return sorted(e.name for e in folder.iterdir() if is_folder(e) and _CHECKPOINT.fullmatch(e.name))

    @property
    def _checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        folder = self.path / "checkpoints"
        if folder.is_symlink():
            raise CheckpointError(
                f"{folder} is a link; expected a folder. Move what it leads to into its place, or move the whole run "
                "and link to that."
            )
        return folder

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
            self._require_no_metrics()
            raise CheckpointError(
                f"{self.path} has no checkpoint yet: the run ended before its first one. "
                f"Start it again with: twosome train --resume {self.path}"
            )
        name = which
        if which == "last":
            name = names[-1]
        elif which == "best":
            name = self._best() or which
        if name not in names:
            raise CheckpointError(
                f"{self.path} has no checkpoint {quote(name)}. It has: {', '.join(names)}. 'last' names the latest; "
                "'best' the one with the highest mean return over 100 episodes, once so many have ended."
            )
        return self._checkpoints / name

    def _best(self) -> str:
        """What the note says which is the best checkpoint; empty without one."""
        note = self._checkpoints / "best"
        if not note.is_symlink() and not note.exists():
            return ""
        return read_explained(note, _NAME_BYTES).decode(errors="replace").strip()

    def has_begun(self) -> bool:
        """Whether there is a checkpoint to go on from; a run that ended before its first one has none.

        Raises:
            CheckpointError: the checkpoints of the run are gone.
        """
        if self.checkpoints():
            return True
        self._require_no_metrics()
        return False

    def _require_no_metrics(self) -> None:
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
        require_hashes(folder, hashes, f"the checkpoint {folder}", MANIFEST, remedy)
        return folder

    @staticmethod
    def checkpoint_name(decisions: int) -> str:
        """Name of the checkpoint after so many decisions; names sort by age."""
        return f"step-{decisions:010d}"

    def mark_best(self, name: str) -> None:
        """Remember a checkpoint as the best so far, if it is there."""
        if name in self.checkpoints():
            with explain_write_errors(self.path):
                write_bytes(self._checkpoints / "best", name.encode())

    def write_checkpoint(
        self,
        name: str,
        write: Callable[[Path], None],
        *,
        best: bool,
        keep: int,
        in_place_of_another: bool = False,
    ) -> Path:
        """Make a checkpoint that appears whole or not at all, then delete old ones.

        Args:
            name: see `checkpoint_name`.
            write: fills an empty folder.
            best: also remember it as the best so far.
            keep: how many of the latest checkpoints stay, beside the best.
            in_place_of_another: also where there is one of this name already, whose environments it is to replace.

        Raises:
            RunError: the disk is full or the folder cannot be written; earlier checkpoints are intact.
        """
        self._require_untouched()
        folder = self._checkpoints
        aside = folder / (ASIDE + name)
        try:
            with explain_write_errors(self.path):
                folder.mkdir(exist_ok=True)
                self._discard_unfinished()
                # The state after so many decisions is always the same: one that is there already is not written again.
                if in_place_of_another or name not in self.checkpoints():
                    aside.mkdir()
                    write(aside)
                    hashes = {file.name: sha256(file) for file in sorted(aside.iterdir()) if file.is_file()}
                    write_json(aside / MANIFEST, hashes)
                    for file in aside.rglob("*"):
                        flush(file)
                    flush(aside)
                    if (self.path / METRICS).exists():
                        # The checkpoint says how long this file was; it must not be shorter after a power cut.
                        flush(self.path / METRICS)
                    if name in self.checkpoints():
                        os.rename(folder / name, folder / (ASIDE + name + ".replaced"))
                    os.rename(aside, folder / name)
                    flush(folder)
                    self._discard_unfinished()
                if best:
                    self.mark_best(name)
                self._prune(keep)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return folder / name

    def _prune(self, keep: int) -> None:
        names = self.checkpoints()
        kept = {*names[-keep:], self._best()}
        for name in names:
            if name not in kept:
                # Out of sight first: a half-deleted folder must not look like a checkpoint.
                doomed = self._checkpoints / (ASIDE + name)
                os.rename(self._checkpoints / name, doomed)
                shutil.rmtree(doomed)

    def _discard_unfinished(self) -> None:
        for leftover in self._checkpoints.glob(ASIDE + "*"):
            if is_folder(leftover):
                shutil.rmtree(leftover)
            else:
                leftover.unlink()


def saved_folder(path: Path) -> Path | None:
    """The folder of a saved agent that a path leads to: itself, or that in what `twosome export` wrote; else None."""
    return next((folder for folder in (path, path / EXPORTED) if os.path.isfile(folder / AGENT)), None)


def _is_leftover(entry: Path) -> bool:
    """Whether a run leaves this behind when it is killed before its settings are written."""
    if entry.name == "checkpoints":
        return entry.is_dir() and not entry.is_symlink() and not any(entry.iterdir())
    return entry.name in {VERSIONS, LOCK} or entry.name.startswith(ASIDE)
