"""Keep glibc from giving memory back to the system between training steps.

Training allocates and frees buffers of megabytes many times a second. By default glibc maps the large ones
afresh each time, and every page of them faults. What holding on to them brings depends on their sizes
(benchmarks/commands.py measures it for the embedded model); it costs nothing but that memory.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_TOP_PAD = -2
_M_MMAP_THRESHOLD = -3


def keep_freed_memory() -> bool:
    """Raise glibc's thresholds for this process; True where that was possible.

    The same as starting Python with ``MALLOC_MMAP_THRESHOLD_``, ``MALLOC_TRIM_THRESHOLD_`` and
    ``MALLOC_TOP_PAD_`` in the environment. Does nothing on systems without glibc.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    accepted = [
        mallopt(_M_MMAP_THRESHOLD, 2**30),
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1),
        mallopt(_M_TOP_PAD, 64 * 2**20),
    ]
    return all(accepted)
