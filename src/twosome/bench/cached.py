"""Scoring with a key-value cache: the prompts once, their keys and values copied for each action.

The usual way to reuse a prompt with stock Transformers. It reads as few prompt tokens as packing does, but copies
the whole prompt's keys and values for each action, pads the actions to the longest, and reads what actions have in
common once for each.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

from twosome.bench.methods import Place, Request, ScoringMethod, evenly

MAX_CACHE_BYTES = 2**30


def cached(request: Request, max_tokens: int) -> ScoringMethod:
    """Score actions as padded rows behind copies of their prompt's keys and values.

    Args:
        request: what to score.
        max_tokens: about so many tokens of actions are run, and copies of at most `MAX_CACHE_BYTES`; more rows are
            scaled up.
    """
    every = request.places
    longest = max(len(tokens) for item in request.spans for tokens in item.actions)
    per_row = _cache_bytes_per_token(request) * request.width
    places = evenly(every, max(1, min(max_tokens // longest, MAX_CACHE_BYTES // per_row)))
    rows = _Rows(request, places)
    return ScoringMethod("cached", (rows.score,), places, len(every), fixed=lambda: rows.prompts()[0])


def _cache_bytes_per_token(request: Request) -> int:
    config = request.scorer.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * request.scorer.model.dtype.itemsize)


class _Rows:
    """Tokens of the prompts, padded on the left, and of the actions, padded on the right."""

    def __init__(self, request: Request, places: Sequence[Place]) -> None:
        device = request.scorer.device
        self.model = request.scorer.model
        prompts = [item.shared for item in request.spans]
        actions = [request.spans[d].actions[a] for d, a in places]
        P, L = max(map(len, prompts)), max(map(len, actions))
        self.prompt_tokens = torch.zeros((len(prompts), P), dtype=torch.int64, device=device)
        self.is_prompt = torch.zeros_like(self.prompt_tokens)
        for row, prompt in enumerate(prompts):
            self.prompt_tokens[row, P - len(prompt) :] = torch.tensor(prompt)
            self.is_prompt[row, P - len(prompt) :] = 1
        self.tokens = torch.zeros((len(actions), L), dtype=torch.int64, device=device)
        self.is_token = torch.zeros_like(self.tokens)
        for row, action in enumerate(actions):
            self.tokens[row, : len(action)] = torch.tensor(action)
            self.is_token[row, : len(action)] = 1
        self.owner = torch.tensor([d for d, _ in places], device=device)

    def prompts(self) -> tuple[Float[Tensor, "D V"], DynamicCache]:
        """Log-probabilities of what may follow each prompt, and the prompts' keys and values."""
        output = self.model(
            input_ids=self.prompt_tokens,
            attention_mask=self.is_prompt,
            position_ids=(self.is_prompt.cumsum(1) - 1).clamp(min=0),
            past_key_values=DynamicCache(),
            use_cache=True,
            logits_to_keep=1,
        )
        return _log_softmax(output.logits[:, 0]), output.past_key_values

    def score(self) -> Float[Tensor, " R"]:
        """Joint log-probability of each row's action."""
        first, prompts = self.prompts()
        first_logp = first[self.owner, self.tokens[:, 0]]
        if self.tokens.shape[1] == 1:
            return first_logp
        lengths = self.is_prompt.sum(1)[self.owner]
        logits = self.model(
            input_ids=self.tokens[:, :-1],
            attention_mask=torch.cat([self.is_prompt[self.owner], self.is_token[:, :-1]], dim=1),
            position_ids=lengths[:, None] + torch.arange(self.tokens.shape[1] - 1, device=lengths.device),
            past_key_values=_copied(prompts, self.owner),
            use_cache=True,
        ).logits
        logp = _log_softmax(logits).gather(-1, self.tokens[:, 1:, None])[..., 0]
        return first_logp + (logp * self.is_token[:, 1:]).sum(dim=-1)


def _log_softmax(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)


def _copied(cache: DynamicCache, rows: Int[Tensor, " R"]) -> DynamicCache:
    """A cache with a copy of the given row's keys and values in each row; the same as a repeat where all repeat."""
    copy = DynamicCache()
    layers: Any = cache.layers
    for i, layer in enumerate(layers):
        copy.update(layer.keys[rows], layer.values[rows], i)
    return copy
