"""PPO from scratch: two small networks on the symbolic observation."""

from twosome.baselines.config import MlpConfig
from twosome.experiment.kind import Baseline, lazy_import, register

register("ppo-mlp", Baseline(MlpConfig, lazy_import("twosome.baselines.ppo_mlp:train_mlp"), reads_vector=True))
