"""`twosome retain`: what training cost the model in language ability, on the tasks that ship with the package."""

from collections.abc import Iterator, Mapping
from typing import Any

from twosome.config import TrainConfig
from twosome.evaluate.harness import require_harness, require_lora
from twosome.experiment.measurement import Measurement, MeasurementRequest, register
from twosome.report.numbers import Number


def _command(request: MeasurementRequest) -> list[str]:
    return ["twosome", "retain", request.run, "--threads", str(request.threads), "--json"]


def _numbers(document: Mapping[str, Any]) -> Iterator[Number]:
    if found := document["all"]:  # of perplexities alone there is none
        low, high = found["drop_ci95"]
        yield Number("language: accuracy", mean=found["trained"], n=found["items"])
        yield Number("language: accuracy", method="untrained", mean=found["base"], n=found["items"])
        yield Number("language: drop", mean=found["drop"], interval=(low, high), n=found["items"])
        yield Number("language: lost", mean=found["lost"], n=found["items"])
        yield Number("language: won", mean=found["won"], n=found["items"])
    for name, task in document["tasks"].items():
        told = name.removeprefix("hearth_").replace("_", " ")
        unit = "perplexity" if "ratio" in task else "accuracy"
        if unit == "accuracy":
            yield Number(f"{told}: drop", mean=task["drop"], interval=tuple(task["drop_ci95"]), n=task["items"])
        yield Number(f"{told}: {unit}", mean=task["trained"], n=task["items"])
        yield Number(f"{told}: {unit}", method="untrained", mean=task["base"], n=task["items"])


def _check(config: TrainConfig) -> None:
    require_lora(config, "a run")
    require_harness()


register("retain", Measurement(_command, _numbers, _check))
