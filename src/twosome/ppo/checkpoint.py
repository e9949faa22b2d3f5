"""What a checkpoint holds: everything that the rest of a run depends on, in JSON and safetensors.

Adapters (PEFT's format), value head, both optimizers, the critic's features of the prompts met so far,
the random generators, and where the environments and their running episodes stand. With it, a resumed run does
on the CPU exactly what the uninterrupted one would have done.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, optim

from twosome.checkpoint_schema import CRITIC, FEATURES, OPTIMIZERS
from twosome.checkpoint_tensors import copy_into, damaged, read_tensors, require_like
from twosome.policy.critic import Critic, State


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
    copy_into(critic.head.state_dict(), folder / CRITIC)
    path = folder / FEATURES
    tensors = read_tensors(path)
    states = _states(path, tensors)
    width = critic.head.width if states else 0
    expected = {"features": torch.empty(len(states), width, device="meta"), "prompts": tensors["prompts"]}
    require_like(path, tensors, expected)
    critic.known = dict(zip(states, tensors["features"].to(device), strict=True))


def _states(path: Path, tensors: Mapping[str, Tensor]) -> list[State]:
    """The prompts, or lists of tokens, that a file has features of."""
    encoded = tensors.get("prompts")
    if encoded is None or encoded.dtype != torch.uint8 or encoded.dim() != 1:
        raise damaged(path, "it has no 'prompts' in bytes")
    try:
        content = json.loads(encoded.numpy().tobytes())
    except (ValueError, RecursionError) as error:
        raise damaged(path, "its 'prompts' are no JSON") from error
    if not isinstance(content, list) or not all(map(_is_state, content)):
        raise damaged(path, "its 'prompts' are no list of texts or lists of tokens")
    # JSON has made lists of tokens.
    states = [state if isinstance(state, str) else tuple(state) for state in content]
    if len(set(states)) < len(states):
        raise damaged(path, "its 'prompts' are not different")
    return states


def _is_state(value: Any) -> bool:
    return isinstance(value, str) or (isinstance(value, list) and all(type(token) is int for token in value))


def save_optimizers(optimizers: Mapping[str, optim.Optimizer], folder: Path) -> None:
    """Write the optimizers' moments and step counts."""
    tensors = {
        f"{name}.{index}.{key}": torch.as_tensor(value)
        for name, optimizer in optimizers.items()
        for index, state in optimizer.state_dict()["state"].items()
        for key, value in state.items()
    }
    save_file(tensors, folder / OPTIMIZERS)


def num_moments(optimizers: Mapping[str, optim.Optimizer]) -> dict[str, int]:
    """How many parameters each optimizer has moments of: those that have had a gradient."""
    return {name: len(optimizer.state_dict()["state"]) for name, optimizer in optimizers.items()}


def load_optimizers(optimizers: Mapping[str, optim.Optimizer], folder: Path, moments: Mapping[str, int] | None) -> None:
    """Read back what `save_optimizers` wrote; learning rates are the caller's.

    Args:
        optimizers: fresh ones, by name.
        folder: the checkpoint.
        moments: what `num_moments` said when it was written; None: not known.

    Raises:
        CheckpointError: the file is damaged or belongs to other parameters.
    """
    path = folder / OPTIMIZERS
    tensors = read_tensors(path)
    begun: dict[str, dict[int, Tensor]] = {
        name: {
            index: parameter
            for index, parameter in enumerate(p for group in optimizer.param_groups for p in group["params"])
            if f"{name}.{index}.step" in tensors
        }
        for name, optimizer in optimizers.items()
    }
    likes = {
        f"{name}.{index}.": {"step": torch.tensor(0.0), "exp_avg": parameter, "exp_avg_sq": parameter}
        for name, parameters in begun.items()
        for index, parameter in parameters.items()
    }
    require_like(path, tensors, {prefix + key: like for prefix, parts in likes.items() for key, like in parts.items()})
    if moments is not None and moments != {name: len(parameters) for name, parameters in begun.items()}:
        raise damaged(path, "it has the moments of fewer or more parameters than were written there")
    if negative := [name for name, tensor in tensors.items() if not name.endswith(".exp_avg") and (tensor < 0).any()]:
        raise damaged(path, f"{negative[0]!r} is negative")
    for name, optimizer in optimizers.items():
        state = {i: {key: tensors[f"{name}.{i}.{key}"] for key in likes[f"{name}.{i}."]} for i in begun[name]}
        optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
