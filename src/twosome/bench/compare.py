"""Times ways of scoring in turn, so that whatever else the machine does meets all of them alike.

What is compared are the ratios of paired runs: each repeat gives one, and their quartiles are the spread.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from twosome.bench.memory import peak_mib
from twosome.bench.methods import Part, ScoringMethod
from twosome.statistics import paired_ratio, quartiles

Mode = Literal["forward", "forward_backward"]
Seconds = tuple[float, float]
"""By the wall clock, and of processor time."""
RATIOS = (("padded", "packed"), ("cached", "packed"), ("harness", "packed"), ("packed", "plain"))
_WARM_BELOW_S = 0.5


def run_parts(parts: Sequence[Part], mode: Mode, model: torch.nn.Module) -> list[Tensor]:
    """Run a way once, with a backward pass after each part or without gradients; what the parts gave, detached."""
    if mode == "forward":
        with torch.no_grad():
            return [part() for part in parts]
    model.zero_grad(set_to_none=True)
    results = []
    for part in parts:
        result = part()
        torch.autograd.backward(result.sum())
        results.append(result.detach())
    return results


def largest_difference(ways: Sequence[ScoringMethod], model: torch.nn.Module) -> dict[str, float]:
    """How far each way's log-probabilities are from the first way's, in nats, where both give one."""
    first, *others = [
        dict(zip(way.places, torch.cat(run_parts(way.parts, "forward", model)).tolist(), strict=True))
        for way in ways
        if way.places
    ]
    names = [way.name for way in ways if way.places][1:]
    return {
        name: max(abs(logp - first[place]) for place, logp in other.items())
        for name, other in zip(names, others, strict=True)
    }


def seconds(work: Callable[[], Any], device: torch.device) -> Seconds:
    """Time of one run."""
    _synchronize(device)
    wall, processor = time.perf_counter(), time.process_time()
    work()
    _synchronize(device)
    return time.perf_counter() - wall, time.process_time() - processor


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def times_in_turn(
    works: Mapping[str, Callable[[], Any]],
    device: torch.device,
    *,
    budget_s: float,
    min_repeats: int = 3,
    max_repeats: int = 9,
) -> tuple[dict[str, list[Seconds]], dict[str, float | None]]:
    """All works in turn, again and again until the budget is spent; and the peak memory of each, in MiB.

    Each runs once beforehand, for its memory. A work that is short also runs untimed before each time: the one
    before it left other data in the processor's caches. Next to a long one that makes no difference.
    """
    began = time.perf_counter()
    first: dict[str, list[Seconds]] = {name: [] for name in works}
    peaks = {
        name: peak_mib(lambda name=name, work=work: first[name].append(seconds(work, device)), device)  # type: ignore[misc]
        for name, work in works.items()
    }
    found: dict[str, list[Seconds]] = {name: [] for name in works}
    for repeat in range(max_repeats):
        if repeat >= min_repeats and time.perf_counter() - began > budget_s:
            break
        for name, work in works.items():
            if first[name][0][0] < _WARM_BELOW_S:
                work()
            found[name].append(seconds(work, device))
    return found, peaks


def compare(
    ways: Sequence[ScoringMethod],
    mode: Mode,
    model: torch.nn.Module,
    device: torch.device,
    *,
    budget_s: float,
    min_repeats: int = 3,
    max_repeats: int = 9,
) -> dict[str, Any]:
    """Time and peak memory of each way, and the ratios of paired runs, as plain JSON."""

    def work(parts: Sequence[Part]) -> Callable[[], Any]:
        return lambda: run_parts(parts, mode, model)

    works = {way.name: work(way.parts) for way in ways}
    works |= {f"{way.name} fixed": work([way.fixed]) for way in ways if way.fixed and way.scale > 1}
    limits = {"budget_s": budget_s, "min_repeats": min_repeats, "max_repeats": max_repeats}
    measured, peaks = times_in_turn(works, device, **limits)  # type: ignore[arg-type]
    times = {way.name: _scaled(way, measured) for way in ways}
    return {
        "repeats": len(next(iter(times.values()))),
        "ways": {
            way.name: {
                "wall_s": quartiles([pair[0] for pair in times[way.name]]),
                "processor_s": quartiles([pair[1] for pair in times[way.name]]),
                "peak_mib": peaks[way.name],
                "rows_timed": len(way.places),
                "rows": way.num_rows,
            }
            for way in ways
        },
        "ratios": {
            f"{above}/{below}": ratio_by_clock(times[above], times[below])
            for above, below in RATIOS
            if above in times and below in times
        },
    }


def _scaled(way: ScoringMethod, measured: Mapping[str, list[Seconds]]) -> list[Seconds]:
    """Times of all rows, from times of some: what does not grow with the rows counts once."""
    fixed = measured.get(f"{way.name} fixed", [(0.0, 0.0)] * len(measured[way.name]))
    return [
        (start[0] + (some[0] - start[0]) * way.scale, start[1] + (some[1] - start[1]) * way.scale)
        for some, start in zip(measured[way.name], fixed, strict=True)
    ]


def ratio_by_clock(above: Sequence[Seconds], below: Sequence[Seconds]) -> dict[str, list[float]]:
    """Quartiles of the ratios of paired runs, by the wall clock and in processor time."""
    return {
        clock: paired_ratio([pair[place] for pair in above], [pair[place] for pair in below])
        for place, clock in enumerate(("wall", "processor"))
    }
