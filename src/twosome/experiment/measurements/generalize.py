"""`twosome generalize`: tasks that the run never met, beside random play, the untrained model and the planner."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, get_args

from twosome.config import TrainConfig
from twosome.evaluate.panel import Panel, rows
from twosome.evaluate.unseen import unseen_tasks
from twosome.experiment.measurement import Measurement, MeasurementRequest, register
from twosome.report.numbers import Number


def _command(request: MeasurementRequest, *, panel: Panel) -> list[str]:
    return ["twosome", "generalize", request.run, "--panel", panel, "--threads", str(request.threads), "--json"]


def numbers(document: Mapping[str, Any], *, panel: str) -> Iterator[Number]:
    """The task in place of the environment; who is not the trained run is named in place of the method."""
    untrained = f"untrained, {document['players']['untrained']['normalization']}"
    names = {"trained": "", "untrained": untrained}
    for task, row in rows(document):
        for who in document["players"]:
            method, n = names.get(who, who), row[who].get("episodes", document["episodes_per_task"])
            for name, mean in (("success", "success_rate"), ("return", "return_mean")):
                interval = row[who].get(f"{name}_ci95")
                span = None if interval is None else (interval[0], interval[1])
                yield Number(f"{panel}: {name}", task, method, None, row[who][mean], span, n)


def _check(config: TrainConfig, *, panel: Panel) -> None:
    unseen_tasks(panel, config)


for _panel in get_args(Panel):
    register(
        f"generalize:{_panel}",
        Measurement(partial(_command, panel=_panel), partial(numbers, panel=_panel), partial(_check, panel=_panel)),
    )
