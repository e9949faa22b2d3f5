"""Play by the most probable action in place of drawing."""

from collections.abc import Iterator, Mapping
from typing import Any

from twosome.experiment.measurement import Asked, Measurement, register
from twosome.report.numbers import Number


def _command(asked: Asked) -> list[str]:
    episodes = ["--episodes", str(asked.episodes), "--seed", str(asked.seed), "--threads", str(asked.threads)]
    return ["twosome", "eval", asked.run, "--greedy", *episodes, "--json"]


def _numbers(document: Mapping[str, Any]) -> Iterator[Number]:
    for name, mean in (("return", "return_mean"), ("success", "success_rate")):
        low, high = document[f"{name}_ci95"]
        yield Number(f"greedy {name}", mean=document[mean], interval=(low, high), n=document["episodes"])


register("greedy", Measurement(_command, _numbers))
