"""SayCan: the untrained language model with an affordance."""

from twosome.baselines.config import SayCanConfig
from twosome.experiment.kind import Baseline, later, register

register("saycan", Baseline(SayCanConfig, later("twosome.baselines.saycan:train_saycan"), reads_vector=True))
