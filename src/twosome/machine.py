"""What of this machine a process may use."""

import os
from pathlib import Path

MAX_USEFUL_THREADS = 8
"""For forwards of a few thousand tokens; more only wait for each other."""

_TOPOLOGY = Path("/sys/devices/system/cpu")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def threads_for_a_model() -> int:
    """CPU threads for a language model: a physical core each, of those that this process may use, up to a bound.

    What is the same on every call in a process: it depends on the machine and on what the system grants, not on what
    else is running. Processes that torchrun starts on one machine share its cores.
    """
    sharing = os.environ.get("LOCAL_WORLD_SIZE", "1")
    cores = physical_cores() // (int(sharing) if sharing.isdecimal() and int(sharing) else 1)
    return max(1, min(cores, MAX_USEFUL_THREADS))


def physical_cores() -> int:
    """Cores that this process may use, at least one: those allowed to it, without the second threads of a core.

    A container's share of time counts, too: of a quota of two and a half cores two.
    """
    if not hasattr(os, "sched_getaffinity"):
        return os.cpu_count() or 1
    allowed = os.sched_getaffinity(0)
    cores = len({_siblings(cpu) for cpu in allowed})
    return max(1, min(cores, _quota() or cores))


def _siblings(cpu: int) -> str:
    """What names the core that a processor is a thread of; of an unknown one the processor itself."""
    try:
        return (_TOPOLOGY / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip()
    except OSError:
        return f"{cpu}"


def _quota() -> int | None:
    """Whole cores that a container's share of time amounts to; None without a limit."""
    try:
        share, period = _QUOTA.read_text().split()
        return max(1, int(share) // int(period))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return None
