"""A frozen model too large for one device: its decoder layers spread over the ranks (FSDP2).

Each rank keeps a slice of every decoder layer and gathers a layer just before it passes through it, forward or
backward. Embeddings, output layer and adapters are whole on every rank, so checkpoints are ordinary adapters.

Gathering needs all ranks at the same layer at the same time, while each has its own number of decisions to score.
So before each pass the ranks agree on what comes next, and a rank with nothing of that kind to do takes part with a
single token, whose result counts for nothing.
"""

from enum import IntEnum
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from twosome.config import TrainConfig
from twosome.distributed import Ranks, Synchronizer
from twosome.errors import ConfigError, ModelError
from twosome.models import load_model, resolve_dtype
from twosome.scoring import ActionScorer


def load_sharded_scorer(config: TrainConfig, ranks: Ranks) -> ActionScorer:
    """The language model that a run's settings name, spread over the ranks, without adapters.

    The weights are read into the machine's memory on each rank, and move to its device layer by layer, a slice each.

    Raises:
        ConfigError: there is one rank, or the weights are quantized.
        ModelError: the model does not say what its decoder layers are.
    """
    if ranks.size == 1:
        raise ConfigError(
            "--shard-model spreads the model over several processes, and this one is alone. Start it with torchrun "
            "--nproc-per-node N, or leave the setting out (in config.json of a run that goes on)."
        )
    if config.quantization is not None:
        raise ConfigError(f"--shard-model cannot split weights in {config.quantization}; use one of the two settings.")
    device = torch.device(ranks.device(config.device))
    dtype: Any = str(resolve_dtype(config.dtype, device)).removeprefix("torch.")
    model, tokenizer = load_model(config.model, dtype=dtype, device="cpu", trust_remote_code=config.trust_remote_code)
    layers = decoder_layers(model, config.model)
    shard(layers, device)
    model.to(device)
    ranks.sync = ShardSynchronizer(model, layers, device)
    return ActionScorer(
        model,
        tokenizer,
        name=config.model,
        prompt_format=config.prompt_format,
        max_tokens_per_forward=config.max_tokens_per_forward,
    )


def decoder_layers(model: nn.Module, name: str) -> list[nn.Module]:
    """The blocks that Transformers never splits, in the order in which tokens pass them."""
    classes = set(getattr(model, "_no_split_modules", None) or ())
    layers = [module for module in model.modules() if type(module).__name__ in classes]
    if not layers:
        raise ModelError(f"the model {name!r} does not name its decoder layers, so --shard-model cannot split it.")
    return layers


def shard(layers: list[nn.Module], device: torch.device) -> None:
    """Keep a slice of each layer here, and the other slices on the other ranks."""
    if device.type == "cuda":
        torch.cuda.set_device(device)
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for layer in layers:
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)


class PassKind(IntEnum):
    """What a rank wants to do next; where they differ, the highest comes first."""

    NOTHING = 0
    BACKWARD = 1
    FORWARD = 2
    FORWARD_WITHOUT_GRADIENT = 3


class ShardSynchronizer(Synchronizer):
    """Lets all ranks pass the sharded layers together, however many decisions each has to score.

    Args:
        model: the language model with its output layer.
        layers: its decoder layers, in order.
        device: where the model takes its tokens.
    """

    def __init__(self, model: nn.Module, layers: list[nn.Module], device: torch.device) -> None:
        self._model = model
        self._token = torch.zeros((1, 1), dtype=torch.int64, device=device)
        self._is_empty = self._is_backward = self._recomputes_layers = False
        self._empty_outputs: list[Tensor] = []
        # Before the hook of FSDP, which gathers the layer.
        layers[0].register_forward_pre_hook(self._before_forward, prepend=True)
        layers[-1].register_forward_hook(self._after_forward)

    def finish(self) -> None:
        """Take part in what the others still do, until nobody does anything."""
        self._agree_on(PassKind.NOTHING)

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss, when all ranks are as far."""
        self._agree_on(PassKind.BACKWARD)
        self._backward(loss)

    def _before_forward(self, *_: Any) -> None:
        if self._is_backward and self._recomputes_layers:
            return
        if self._is_backward:
            # `recomputed_if_large` is at work, and the other ranks, which know nothing of it, are between layers.
            raise ModelError(
                "a decision takes more tokens than --max-tokens-per-forward, and with --shard-model its forwards "
                "cannot be computed once more in the backward pass. Use a higher --max-tokens-per-forward."
            )
        if not self._is_empty:
            self._agree_on(PassKind.FORWARD if torch.is_grad_enabled() else PassKind.FORWARD_WITHOUT_GRADIENT)
        self.is_inside = True

    def _after_forward(self, *_: Any) -> None:
        if self._is_backward:
            # Gradient checkpointing begins with the last layer, on all ranks alike; whole forwards with the first.
            self._recomputes_layers = True
        else:
            self.is_inside = False

    def _agree_on(self, own: PassKind) -> None:
        while (step := self._highest_over_ranks(own)) != own:
            if step == PassKind.BACKWARD:
                self._backward(torch.zeros(()))
            else:
                self._empty_forward(with_gradient=step == PassKind.FORWARD)

    def _highest_over_ranks(self, own: PassKind) -> PassKind:
        step = torch.tensor(own.value)
        dist.all_reduce(step, dist.ReduceOp.MAX)
        return PassKind(int(step.item()))

    def _empty_forward(self, *, with_gradient: bool) -> None:
        self._is_empty = True
        with torch.set_grad_enabled(with_gradient):
            logits = self._model(input_ids=self._token, use_cache=False).logits
        self._is_empty = False
        if with_gradient:
            self._empty_outputs.append(logits.sum())

    def _backward(self, loss: Tensor) -> None:
        # What empty forwards gave counts for nothing, but its gradient has to pass the layers as the others' does.
        empty = torch.stack(self._empty_outputs).sum() * 0.0 if self._empty_outputs else 0.0
        self._empty_outputs.clear()
        self._is_backward, self._recomputes_layers = True, False
        torch.autograd.backward(loss + empty)
        self._is_backward = False
