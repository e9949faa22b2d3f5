"""Play by the most probable action in place of drawing: of the run, and of its model before training."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from twosome.experiment.measurement import Asked, Measurement, register
from twosome.report.numbers import Number


def _command(asked: Asked, *, untrained: bool) -> list[str]:
    model = ["--model", asked.model] if untrained else []
    episodes = ["--episodes", str(asked.episodes), "--seed", str(asked.seed), "--threads", str(asked.threads)]
    return ["twosome", "eval", asked.run, *model, "--greedy", *episodes, "--json"]


def _numbers(document: Mapping[str, Any], *, untrained: bool) -> Iterator[Number]:
    method = f"{document['model']}, untrained, {document['normalization']}" if untrained else ""
    for name, mean in (("return", "return_mean"), ("success", "success_rate")):
        low, high = document[f"{name}_ci95"]
        yield Number(f"greedy {name}", "", method, None, document[mean], (low, high), document["episodes"])


for _name, _untrained in (("greedy", False), ("greedy:untrained", True)):
    register(_name, Measurement(partial(_command, untrained=_untrained), partial(_numbers, untrained=_untrained)))
