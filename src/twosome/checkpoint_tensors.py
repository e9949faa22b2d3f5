"""Tensors from a file that may come from anywhere: exactly those that are expected, or none."""

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from twosome.errors import CheckpointError, quote


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU, every number finite.

    Raises:
        CheckpointError: the file cannot be read, or a number is not finite.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise damaged(path, quote(str(error)).strip("'\"")) from error
    for name, tensor in tensors.items():
        if (tensor.is_floating_point() or tensor.is_complex()) and not torch.isfinite(tensor).all():
            raise damaged(path, f"{quote(name)} has numbers that are not finite")
    return tensors


def read_exactly(path: Path, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Like `read_tensors`, of the names, shapes and types of those that are expected.

    Raises:
        CheckpointError: one is missing, unknown, or of another shape or type.
    """
    tensors = read_tensors(path)
    require_like(path, tensors, expected)
    return tensors


def require_like(path: Path, tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Check the names, shapes and types of the tensors of a file (CheckpointError)."""
    if missing := sorted(expected.keys() - tensors.keys()):
        raise damaged(path, f"it lacks {len(missing)} of the run's {len(expected)} tensors, {quote(missing[0])} first")
    if unknown := sorted(tensors.keys() - expected.keys()):
        raise damaged(path, f"it has {len(unknown)} tensors that the run has not, {quote(unknown[0])} first")
    for name, tensor in tensors.items():
        found, wanted = (f"{t.dtype} of shape {tuple(t.shape)}" for t in (tensor, expected[name]))
        if found != wanted:
            raise damaged(path, f"{quote(name)} is {found}; expected {wanted}")


@torch.no_grad()
def copy_into(targets: Mapping[str, Tensor], path: Path) -> None:
    """Fill tensors with those of the same names in a file.

    Raises:
        CheckpointError: the file has not exactly these.
    """
    for name, tensor in read_exactly(path, targets).items():
        targets[name].copy_(tensor)


def damaged(path: Path, reason: str) -> CheckpointError:
    """The error about a file of a checkpoint."""
    return CheckpointError(
        f"{path} cannot be read as part of this run's checkpoint: {reason}. It is damaged or belongs to another run or "
        f"model; delete {path.parent} to go on from the checkpoint before it."
    )
