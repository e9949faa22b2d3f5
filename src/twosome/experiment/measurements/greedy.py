"""Play by the most probable action in place of drawing: of the run, and of its model before training."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from twosome.config import world_name
from twosome.experiment.measurement import Measurement, MeasurementRequest, register
from twosome.report.numbers import Number


def _command(request: MeasurementRequest, *, untrained: bool) -> list[str]:
    model = ["--model", request.model] if untrained else []
    episodes = ["--episodes", str(request.episodes), "--seed", str(request.seed), "--threads", str(request.threads)]
    return ["twosome", "eval", request.run, *model, "--greedy", *episodes, "--json"]


def _numbers(document: Mapping[str, Any], *, untrained: bool) -> Iterator[Number]:
    """Of a run in several environments, in each of them."""
    for found in document.get("worlds", [document]):
        method = f"{found['model']}, untrained, {found['normalization']}" if untrained else ""
        world = "" if found is document else world_name(found["env"])
        for name, mean in (("return", "return_mean"), ("success", "success_rate")):
            low, high = found[f"{name}_ci95"]
            yield Number(f"greedy {name}", world, method, None, found[mean], (low, high), found["episodes"])


for _name, _untrained in (("greedy", False), ("greedy:untrained", True)):
    register(_name, Measurement(partial(_command, untrained=_untrained), partial(_numbers, untrained=_untrained)))
