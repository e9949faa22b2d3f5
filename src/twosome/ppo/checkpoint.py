"""What a checkpoint holds: everything that the rest of a run depends on, in JSON and safetensors.

Adapters (PEFT's format), value head, both optimizers, the critic's features of the prompts met so far,
the random generators, and where the worlds and their running episodes stand. With it, a resumed run does
on the CPU exactly what the uninterrupted one would have done.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn, optim

from twosome.errors import CheckpointError
from twosome.policy.critic import Critic

CRITIC = "critic.safetensors"
OPTIMIZERS = "optimizers.safetensors"
FEATURES = "features.safetensors"


def save_critic(critic: Critic, folder: Path) -> None:
    """Write the value head and the features it knows."""
    save_file(critic.head.state_dict(), folder / CRITIC)
    features = torch.stack(list(critic.known.values())) if critic.known else torch.zeros(0, 0)
    # As a tensor of bytes, because the header of a safetensors file is bounded and prompts may be many.
    encoded = torch.frombuffer(bytearray(json.dumps(list(critic.known)).encode()), dtype=torch.uint8)
    save_file({"features": features.contiguous(), "prompts": encoded}, folder / FEATURES)


def load_critic(critic: Critic, folder: Path, device: torch.device) -> None:
    """Read back what `save_critic` wrote.

    Raises:
        CheckpointError: the files are damaged or belong to a model of another width.
    """
    _load_into(critic.head, folder / CRITIC, device)
    try:
        tensors = load_file(folder / FEATURES)
        states = json.loads(tensors["prompts"].numpy().tobytes())
        # JSON has made lists of tokens.
        keys = [state if isinstance(state, str) else tuple(state) for state in states]
        critic.known = dict(zip(keys, tensors["features"].to(device), strict=True))
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _damaged(folder / FEATURES, error) from error


def save_optimizers(optimizers: Mapping[str, optim.Optimizer], folder: Path) -> None:
    """Write the optimizers' moments and step counts."""
    tensors = {
        f"{name}.{index}.{key}": torch.as_tensor(value)
        for name, optimizer in optimizers.items()
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    save_file(tensors, folder / OPTIMIZERS)


def load_optimizers(optimizers: Mapping[str, optim.Optimizer], folder: Path) -> None:
    """Read back what `save_optimizers` wrote; learning rates are the caller's.

    Raises:
        CheckpointError: the file is damaged or belongs to other parameters.
    """
    try:
        tensors = load_file(folder / OPTIMIZERS)
        states: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimizers}
        for full_name, tensor in tensors.items():
            name, index, key = full_name.split(".")
            states[name].setdefault(int(index), {})[key] = tensor
        for name, optimizer in optimizers.items():
            content: dict[str, Any] = optimizer.state_dict()
            optimizer.load_state_dict({**content, "state": states[name]})
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _damaged(folder / OPTIMIZERS, error) from error


def _load_into(module: nn.Module, path: Path, device: torch.device) -> None:
    try:
        module.load_state_dict(load_file(path, device=str(device)))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read as part of this run's checkpoint: {error}. It is damaged or belongs to another "
        f"run; delete {path.parent} to go on from the checkpoint before it."
    )
