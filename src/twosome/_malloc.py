"""Keep glibc from giving memory back to the system between training steps, up to a point.

Training allocates and frees buffers of megabytes many times a second. By default glibc maps the large ones
afresh each time, and every page of them faults. What holding on to them brings depends on their sizes
(benchmarks/commands.py measures it for the embedded model).

It must not hold all of them: batches of ever other shapes leave holes between what stays, which nothing that comes
later fills, and training a model of 270M parameters grew from 2 to 10 GB within an hour. Hence buffers of 32 MiB and
more are mapped afresh, and what is held in excess is given back after each update.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3
_HELD = 2**30
"""Bytes of freed memory up to which nothing is given back."""


class _Heap(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = [
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks")),
        *((name, ctypes.c_size_t) for name in ("uordblks", "fordblks", "keepcost")),
    ]


def keep_freed_memory() -> bool:
    """Raise glibc's thresholds for this process; True where that was possible.

    The same as starting Python with ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_`` and
    ``MALLOC_TOP_PAD_`` in the environment. Does nothing on systems without glibc.
    """
    mallopt = _function("mallopt")
    if mallopt is None:
        return False
    accepted = [
        mallopt(_M_MMAP_THRESHOLD, 32 * 2**20),
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1),
        mallopt(_M_TOP_PAD, 64 * 2**20),
    ]
    return all(accepted)


def give_back_excess(held: int = _HELD) -> bool:
    """Give freed memory back to the system if there is more of it than `held` bytes; True if there was.

    Does nothing on systems without glibc 2.33 or later.
    """
    mallinfo = _function("mallinfo2")
    if mallinfo is None:
        return False
    mallinfo.restype = _Heap
    return mallinfo().fordblks > held and give_back()


def give_back() -> bool:
    """Give all freed memory back to the system; False without glibc."""
    trim = _function("malloc_trim")
    if trim is None:
        return False
    trim(0)
    return True


def _function(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None) if sys.platform.startswith("linux") else None
