"""SayCan: the untrained language model with an affordance."""

from twosome.baselines.config import SayCanConfig
from twosome.experiment.kind import Baseline, lazy_import, register

register("saycan", Baseline(SayCanConfig, lazy_import("twosome.baselines.saycan:train_saycan"), reads_vector=True))
