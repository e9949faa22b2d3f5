"""What runs do in six environments, in one of which each was trained: a measurement for an experiment, on a suite.

twosome experiment benchmarks/experiments/across.toml --trust-env-module  # from the repository's root
"""

from functools import partial

from twosome.experiment.measurement import Measurement, MeasurementRequest, register
from twosome.experiment.measurements.generalize import numbers

SUITE = "benchmarks/suites/six.toml"


def command(request: MeasurementRequest) -> list[str]:
    """Test the run on the suite."""
    return ["twosome", "generalize", request.run, "--suite", SUITE, "--threads", str(request.threads), "--json"]


register("benchmarks.across:six", Measurement(command, partial(numbers, panel="six")))
