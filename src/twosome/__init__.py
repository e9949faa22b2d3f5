"""Reinforcement learning for language models that act.

A language model scores every action that is valid now; a softmax over the scores is the policy; PPO
trains low-rank adapters on the frozen model. See `train`, `ActionScorer` and `Agent`.

Importing this package registers the environments with Gymnasium. The command `twosome` alone does so later, when it
needs them: it answers at once.
"""

import importlib
import sys

TYPE_CHECKING = False  # the command is to be ready for Ctrl-C before `typing` is imported

if TYPE_CHECKING:
    from twosome import envs as envs
    from twosome.agent import Agent as Agent
    from twosome.algorithms import register_algorithm as register_algorithm
    from twosome.config import TrainConfig as TrainConfig
    from twosome.decision import Decision as Decision
    from twosome.envs.adapters import CommandEnv as CommandEnv
    from twosome.envs.adapters import MaskedEnv as MaskedEnv
    from twosome.envs.text_env import TextEnv as TextEnv
    from twosome.envs.text_env import Turn as Turn
    from twosome.ppo.train import resume as resume
    from twosome.ppo.train import train as train
    from twosome.report.frame import load_runs as load_runs
    from twosome.scoring import ActionScorer as ActionScorer

__version__ = "0.1.0"

# Imported on first use: the environments need no torch, and nobody should wait for it who does not need it.
_LAZY = {
    "ActionScorer": "twosome.scoring",
    "Agent": "twosome.agent",
    "CommandEnv": "twosome.envs.adapters",
    "Decision": "twosome.decision",
    "MaskedEnv": "twosome.envs.adapters",
    "TextEnv": "twosome.envs.text_env",
    "TrainConfig": "twosome.config",
    "Turn": "twosome.envs.text_env",
    "load_runs": "twosome.report.frame",
    "register_algorithm": "twosome.algorithms",
    "resume": "twosome.ppo.train",
    "train": "twosome.ppo.train",
}

__all__ = [
    "ActionScorer",
    "Agent",
    "CommandEnv",
    "Decision",
    "MaskedEnv",
    "TextEnv",
    "TrainConfig",
    "Turn",
    "__version__",
    "envs",
    "load_runs",
    "register_algorithm",
    "resume",
    "train",
]


def __getattr__(name: str) -> object:
    if name == "envs":
        return importlib.import_module("twosome.envs")
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'twosome' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _is_command() -> bool:
    """Whether this process is the command `twosome`, by its script or by `python -m twosome`."""
    if not sys.argv:
        return False
    if sys.argv[0] == "-m":  # as long as the module to run is looked for
        return ("-m", "twosome") in zip(sys.orig_argv, sys.orig_argv[1:], strict=False)
    return sys.argv[0].replace("\\", "/").rpartition("/")[2] in {"twosome", "twosome.exe"}


if not _is_command():
    importlib.import_module("twosome.envs")
