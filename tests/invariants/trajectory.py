"""The stored trajectory that every way to train has to reproduce: made by the page that defines the method.

    python -m tests.invariants.trajectory     # writes it anew; say in the commit why it moved

A few updates of `twosome.minimal` in float64: what was asked, what was answered and with which log-probability, what it
earned, the advantages, the losses and the norms of the adapters.
"""

import json
from pathlib import Path
from typing import Any

import torch

from twosome.minimal import Config, train

FILE = Path(__file__).parent / "trajectory.json"
ENVS, STEPS, UPDATES = 4, 8, 3
LOSSES = ("value_loss", "policy_loss", "entropy", "approx_kl")


def trajectory_of_the_page() -> list[dict[str, Any]]:
    """One object for each update."""
    total = ENVS * STEPS * UPDATES
    config = Config(num_envs=ENVS, rollout_steps=STEPS, total_steps=total, target_kl=0.0, dtype=torch.float64)
    return [
        {
            "prompts": [step.prompt for step in update["steps"]],
            "actions": [step.actions[step.chosen] for step in update["steps"]],
            "logp": [step.logp for step in update["steps"]],
            "rewards": [step.reward for step in update["steps"]],
            "advantages": update["advantages"].tolist(),
            "adapter_norms": [parameter.detach().norm().item() for parameter in update["adapters"]],
            **{name: update[name] for name in LOSSES},
        }
        for update in train(config)
    ]


def stored() -> list[dict[str, Any]]:
    """The trajectory in the repository."""
    updates: list[dict[str, Any]] = json.loads(FILE.read_text())
    return updates


if __name__ == "__main__":
    FILE.write_text(json.dumps(trajectory_of_the_page(), indent=0) + "\n")
