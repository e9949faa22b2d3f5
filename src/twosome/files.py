"""Files in folders that may come from anywhere, such as a run: nothing but regular files, and no links.

Reading a named pipe would wait forever, reading a device would never end, and a link may lead anywhere. So what is
read is a regular file of bounded size, and what is written takes the place of a link instead of going where it leads.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from twosome.errors import RunError

ASIDE = ".writing-"
"""How the name of a file or folder begins that is not whole yet."""
FILE_BYTES = 2**26
"""Of the largest file that is read as a whole. Ours are far smaller, but for the metrics of a very long run."""
PIECE_BYTES = 2**20
"""Of a file that is read piece by piece."""

# Windows has none of the first three; it alone has the last.
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_BINARY = getattr(os, "O_BINARY", 0)


def is_regular(path: Path) -> bool:
    """Whether a regular file is there, and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def require_no_link(path: Path, top: Path) -> None:
    """Check that nothing between a folder and a path below it is a link; the folder itself may be one (RunError)."""
    for place in (path, *path.parents):
        if place == top:
            return
        if place.is_symlink():
            raise RunError(f"{place} is a link, which may lead anywhere. Put what it leads to in its place.")


def open_to_read(path: Path, *, follow_links: bool = False) -> BinaryIO:
    """A regular file, opened.

    Raises:
        FileNotFoundError: it is missing.
        RunError: it is a folder, a pipe or a device, or a link that is not to be followed.
    """
    return _regular(path, os.O_RDONLY, "rb", follow_links=follow_links)


def open_to_append(path: Path) -> BinaryIO:
    """A regular file, opened at its end; made if need be.

    Raises:
        RunError: it is a link, a folder, a pipe or a device.
    """
    return _regular(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, "ab")


def open_to_lock(path: Path) -> int:
    """Descriptor of a regular file, made if need be; its content is left alone.

    Raises:
        RunError: it is a link, a folder, a pipe or a device.
    """
    return _descriptor(path, os.O_RDWR | os.O_CREAT)


def read_bytes(path: Path, limit: int = FILE_BYTES) -> bytes:
    """Content of a regular file.

    Raises:
        FileNotFoundError: it is missing.
        RunError: it is larger than ``limit``, or a link, a folder, a pipe or a device.
    """
    with open_to_read(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise RunError(f"{path} has more than {limit:,} bytes: it is not what was written there.")
    return content


def sha256(path: Path, *, follow_links: bool = False) -> str:
    """Hash of a regular file, in hexadecimal; no more than a piece of it is in memory at a time."""
    digest = hashlib.sha256()
    with open_to_read(path, follow_links=follow_links) as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file in one step, so that it is never seen half written; a link is replaced, not followed."""
    aside = path.with_name(ASIDE + path.name)
    aside.unlink(missing_ok=True)
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK | _BINARY, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    os.replace(aside, path)
    flush(path.parent)


def write_with(path: Path, write: Callable[[BytesIO], None]) -> None:
    """Like `write_bytes`, for what writes itself into an open file, as pictures do."""
    content = BytesIO()
    write(content)
    write_bytes(path, content.getvalue())


def flush(path: Path) -> None:
    """Ask the system to put a file or folder on the disk now."""
    descriptor = os.open(path, os.O_RDONLY | _NO_WAIT)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _regular(path: Path, flags: int, mode: str, *, follow_links: bool = False) -> BinaryIO:
    file: BinaryIO = os.fdopen(_descriptor(path, flags, follow_links=follow_links), mode)  # type: ignore[assignment]
    return file


def _descriptor(path: Path, flags: int, *, follow_links: bool = False) -> int:
    refusal = f"{path} is a link, a folder, a pipe or a device; expected a regular file. Put the file itself there."
    if not follow_links and path.is_symlink():
        raise RunError(refusal)
    flags |= 0 if follow_links else _NO_LINK
    try:
        descriptor = os.open(path, flags | _NO_WAIT | _BINARY, 0o644)
    except OSError as error:
        # A pipe that nobody reads, a folder opened to be written, a link that came between.
        if error.errno in (errno.ENXIO, errno.EISDIR) or (error.errno == errno.ELOOP and not follow_links):
            raise RunError(refusal) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RunError(refusal)
    return descriptor
