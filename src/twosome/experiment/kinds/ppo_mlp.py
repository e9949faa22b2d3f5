"""PPO from scratch: two small networks on the symbolic observation."""

from twosome.baselines.config import MlpConfig
from twosome.experiment.kind import Baseline, later, register

register("ppo-mlp", Baseline(MlpConfig, later("twosome.baselines.ppo_mlp:train_mlp"), reads_vector=True))
