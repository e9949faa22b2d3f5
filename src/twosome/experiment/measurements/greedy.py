"""Play by the most probable action in place of drawing: of the run, and of its model before training."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from twosome.experiment.measurement import Measurement, MeasurementRequest, register
from twosome.report.numbers import Number


def _command(request: MeasurementRequest, *, untrained: bool) -> list[str]:
    model = ["--model", request.model] if untrained else []
    episodes = ["--episodes", str(request.episodes), "--seed", str(request.seed), "--threads", str(request.threads)]
    return ["twosome", "eval", request.run, *model, "--greedy", *episodes, "--json"]


def _numbers(document: Mapping[str, Any], *, untrained: bool) -> Iterator[Number]:
    method = f"{document['model']}, untrained, {document['normalization']}" if untrained else ""
    for name, mean in (("return", "return_mean"), ("success", "success_rate")):
        low, high = document[f"{name}_ci95"]
        yield Number(f"greedy {name}", "", method, None, document[mean], (low, high), document["episodes"])


for _name, _untrained in (("greedy", False), ("greedy:untrained", True)):
    register(_name, Measurement(partial(_command, untrained=_untrained), partial(_numbers, untrained=_untrained)))
