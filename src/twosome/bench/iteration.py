"""A whole training iteration, the trainer's and the page's in turn, with the same model, environment and seed."""

import time
from collections.abc import Callable
from typing import Any

from twosome.bench.compare import ratio_by_clock, seconds
from twosome.bench.memory import peak_mib
from twosome.bench.page import PageLoop
from twosome.config import TrainConfig
from twosome.ppo.train import Trainer
from twosome.statistics import quartiles

LOSSES = ("value_loss", "policy_loss", "entropy", "approx_kl")


def compare_iterations(config: TrainConfig, iterations: int, report: Callable[[str], None]) -> dict[str, Any]:
    """Times of paired iterations, and their ratios, as plain JSON.

    The policy's early stop is best switched off in the config (``target_kl=0``), so that both do all their
    minibatches. Each loop runs one iteration beforehand, which its peak memory is taken from.
    """
    trainer = Trainer(config)
    loops: dict[str, Trainer | PageLoop] = {"ours": trainer, "page": PageLoop(config)}
    device = trainer.scorer.device
    peaks = {}
    for name, loop in loops.items():
        began = time.perf_counter()
        peaks[name] = peak_mib(loop.step, device)
        report(f"  {name}: first iteration {time.perf_counter() - began:.2f} s, peak {peaks[name]} MiB")
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(iterations):
        for name, loop in loops.items():
            times[name].append(seconds(loop.step, device))
    return {
        "decisions": config.batch_size,
        "iterations": iterations,
        **{
            name: {
                "wall_s": quartiles([pair[0] for pair in times[name]]),
                "processor_s": quartiles([pair[1] for pair in times[name]]),
                "peak_mib": peaks[name],
            }
            for name in loops
        },
        "page/ours": ratio_by_clock(times["page"], times["ours"]),
    }


def loss_differences(config: TrainConfig) -> dict[str, float]:
    """How far the losses of a first iteration are apart, relative to ours."""
    ours, theirs = Trainer(config).step(), PageLoop(config).step()
    return {name: abs(ours[name] - theirs[name]) / max(abs(ours[name]), 1e-12) for name in LOSSES}
