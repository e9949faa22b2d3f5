"""Where the time of a training iteration goes: its phases, and inside them what scoring is made of."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from twosome.ppo.train import Trainer
from twosome.scoring import readout

Shares = dict[str, dict[str, float]]


class _Clock:
    """Seconds by phase and part; a phase is entered from outside, a part inside it."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.phase = ""

    def entering(self, phase: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def entered(*args: Any, **kwargs: Any) -> Any:
            self.phase = phase
            return self.timing("", work)(*args, **kwargs)

        return entered

    def timing(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            try:
                return work(*args, **kwargs)
            finally:
                self.seconds[self.phase][part] += time.perf_counter() - began

        return timed


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def phases(trainer: Trainer, iterations: int) -> Shares:
    """Mean seconds of an iteration, by phase and part; the parts of a phase add up to it.

    Scoring is taken apart into ``tokenizing``, ``model`` (its forward), ``readout`` (log-probabilities from logits) and
    ``packing`` (tries, masks, assembling: the rest of it); ``backward`` is the policy's; ``other`` is what remains:
    environments and sampling in the rollout, losses and optimizer in the updates.
    """
    clock = _Clock()
    scorer, function = trainer.scorer, readout._TokenLogProbs
    places: list[tuple[Any, str, Callable[..., Any]]] = [
        (trainer.collector, "collect", clock.entering("rollout", trainer.collector.collect)),
        (trainer, "estimate", clock.entering("estimate", trainer.estimate)),
        (trainer, "improve_critic", clock.entering("value", trainer.improve_critic)),
        (trainer, "improve_policy", clock.entering("policy", trainer.improve_policy)),
        (scorer, "score", clock.timing("score", scorer.score)),
        (scorer.encoder, "encode", clock.timing("tokenizing", scorer.encoder.encode)),
        (scorer.model, "forward", clock.timing("model", scorer.model.forward)),
        (function, "forward", staticmethod(clock.timing("readout", function.forward))),
        (torch.autograd, "backward", clock.timing("backward", torch.autograd.backward)),
    ]
    _run_with(places, trainer, iterations)
    return {phase: _parts(parts, iterations) for phase, parts in clock.seconds.items()}


def _run_with(places: list[tuple[Any, str, Any]], trainer: Trainer, iterations: int) -> None:
    if not places:
        for _ in range(iterations):
            trainer.step()
        return
    with _replaced(*places[0]):
        _run_with(places[1:], trainer, iterations)


def _parts(seconds: dict[str, float], iterations: int) -> dict[str, float]:
    """What a clock found in one phase, as parts that add up."""
    total, score = seconds[""], seconds.get("score", 0.0)
    parts = {name: seconds.get(name, 0.0) for name in ("tokenizing", "model", "readout")}
    parts["packing"] = score - sum(parts.values()) if score else 0.0
    parts["backward"] = seconds.get("backward", 0.0)
    parts["other"] = total - score - parts["backward"]
    return {name: value / iterations for name, value in parts.items()}
