"""Reinforcement learning for language models that act.

A language model scores every action that is valid now; a softmax over the scores is the policy; PPO
trains low-rank adapters on the frozen model. See `train`, `ActionScorer` and `Agent`.
"""

import importlib
from typing import TYPE_CHECKING, Any

from twosome import envs  # registers the worlds with Gymnasium
from twosome.decision import Decision

if TYPE_CHECKING:
    from twosome.config import TrainConfig as TrainConfig
    from twosome.policy.agent import Agent as Agent
    from twosome.ppo.train import resume as resume
    from twosome.ppo.train import train as train
    from twosome.scoring import ActionScorer as ActionScorer

__version__ = "0.1.0"

# Imported on first use: the worlds need no torch, and `twosome envs` should not wait for it.
_LAZY = {
    "ActionScorer": "twosome.scoring",
    "Agent": "twosome.policy.agent",
    "TrainConfig": "twosome.config",
    "resume": "twosome.ppo.train",
    "train": "twosome.ppo.train",
}

__all__ = ["ActionScorer", "Agent", "Decision", "TrainConfig", "__version__", "envs", "resume", "train"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'twosome' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
