"""Generate and parse: the language model writes its actions."""

from twosome.baselines.config import GenerateConfig
from twosome.experiment.kind import Baseline, lazy_import, register

_PLACE = "twosome.baselines.generate"
register(
    "generate",
    Baseline(GenerateConfig, lazy_import(f"{_PLACE}:train_generate"), around=lazy_import(f"{_PLACE}:around")),
)
