"""One action in one forward pass, with a plain causal mask: the definition that packing has to equal.

Kept as the reference for tests, and for models that cannot be shown a trie.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor


def naive_token_log_probs(
    model: Any, shared: Sequence[int], action: Sequence[int], device: torch.device
) -> Float[Tensor, " L"]:
    """Log p(token | shared, earlier tokens of the action) for each token of one action, in nats.

    In float32, or in float64 for a model in float64. Gradients flow.
    """
    row = torch.tensor([[*shared, *action[:-1]]], device=device)
    logits = model(input_ids=row, use_cache=False).logits[0, len(shared) - 1 :]
    logp = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
    return logp.gather(-1, torch.tensor(action, device=device)[:, None])[:, 0]
