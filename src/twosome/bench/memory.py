"""Peak memory of a piece of work, over what was held before it began."""

import gc
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from twosome._malloc import give_back


def peak_mib(work: Callable[[], Any], device: torch.device) -> float | None:
    """Mebibytes at the highest point of the work, over what was held before.

    On a GPU, what the allocator of torch handed out. On Linux, the resident memory of this process: what was freed
    before is given back to the system and the kernel's high-water mark is reset, so that runs in one process do not
    see each other. Elsewhere None: the work is done and not measured.
    """
    if device.type == "cuda":
        return _peak_on_gpu(work, device)
    measured = _reset_high_water_mark()
    before = _status("VmRSS") if measured else 0.0
    work()
    return round(_status("VmHWM") - before, 1) if measured else None


def peak_tensor_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors alive at once, beyond those that were alive before, as PyTorch's CPU allocator counts."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def _reset_high_water_mark() -> bool:
    """Give freed memory back and forget the highest point so far; False where the system has no such thing."""
    gc.collect()
    if not give_back():
        return False
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # the kernel may not allow it
        return False
    return True


def _peak_on_gpu(work: Callable[[], Any], device: torch.device) -> float:
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    return round((torch.cuda.max_memory_allocated(device) - before) / 2**20, 1)


def _status(name: str) -> float:
    """A line of this process's status, in MiB."""
    found = re.search(rf"^{name}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found is not None, f"/proc/self/status has no {name}"
    return int(found[1]) / 1024
