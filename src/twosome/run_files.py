"""The files of a run directory, read, written and locked, with errors that say what to do."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

from twosome.documents import parse_json
from twosome.errors import CheckpointError, RunError, quote
from twosome.files import FILE_BYTES, is_regular, open_to_lock, read_bytes, sha256, write_bytes

CONFIG = "config.json"
_FILE_NAME = re.compile(r"\w[\w.+-]*", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")


@contextlib.contextmanager
def file_lock(path: Path) -> Iterator[int | None]:
    """Take the lock of a file, made if need be; None if another process has it.

    Yields:
        The open file. A process that inherits it keeps the lock for as long as it lives; the system forgets the lock
        when all of them have ended, however that came about.

    Raises:
        RunError: the file cannot be made.
    """
    with explain_write_errors(path.parent):
        descriptor = open_to_lock(path)
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


def require_hashes(folder: Path, hashes: dict[str, Any], what: str, source: str, remedy: str) -> None:
    """Check that files of a folder are what they were when their hashes were taken.

    Args:
        folder: of the files.
        hashes: of each, by its name.
        what: what the messages call the whole.
        source: where the hashes were read.
        remedy: what the messages say in the end.

    Raises:
        CheckpointError: a file is missing or has changed.
    """
    for name, expected in hashes.items():
        if not _FILE_NAME.fullmatch(name) or not isinstance(expected, str) or not _SHA256.fullmatch(expected):
            raise CheckpointError(
                f"{what} is damaged: its {source} has {quote(name)}: {quote(expected)}; expected names of files in "
                f"this folder, each with its SHA-256. {remedy}"
            )
        if not is_regular(folder / name) or sha256(folder / name) != expected:
            raise CheckpointError(f"{what} is damaged: {name} is not what was written there. {remedy}")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        RunError: it is missing or not an object in JSON.
    """
    try:
        content = parse_json(read_explained(path).decode("utf-8-sig"))
    except ValueError as error:
        reason = quote(str(error)).strip("'\"")
        raise RunError(f"{path} cannot be read: {reason}. Restore it from a copy, or begin a new run.") from error
    if not isinstance(content, dict):
        raise RunError(f"{path} should hold a JSON object, not {type(content).__name__}.")
    return content


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object in one step, so that it is never seen half written."""
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def read_explained(path: Path, limit: int = FILE_BYTES) -> bytes:
    """Content of a file of a run, or RunError."""
    with explain_read_errors(path):
        return read_bytes(path, limit)


@contextlib.contextmanager
def explain_read_errors(path: Path) -> Iterator[None]:
    """Turn the system's refusals to read into a RunError that says what to do."""
    try:
        yield
    except FileNotFoundError as error:
        raise RunError(f"{path} is missing; this folder is not, or no longer, what `twosome train` wrote.") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}. Restore it, or begin a new run.") from error


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
