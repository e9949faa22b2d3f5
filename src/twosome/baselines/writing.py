"""A causal language model that writes after prompts, token by token, and how probable it is that it writes a text.

Equal prompts are read once, by a key-value cache that each text gets a copy of; so are equal texts when their
probabilities are computed, gradients included. Prompts are padded on the left, texts on the right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from transformers import DynamicCache

Tokens = tuple[int, ...]


@dataclass(frozen=True)
class Written:
    """What was written after one prompt.

    Attributes:
        prompt: tokens that it was written after.
        tokens: at least one; the one that ends the text is the last.
        logp: log-probability of each token when it was drawn, in nats.
    """

    prompt: Tokens
    tokens: Tokens
    logp: tuple[float, ...]


@dataclass(frozen=True)
class _Read:
    """Prompts that have been read.

    ``logits`` are of the next token, ``[R, V]``; ``is_prompt`` is False on padding, ``[R, P]``.
    """

    logits: Float[Tensor, "R V"]
    cache: Any
    is_prompt: Int[Tensor, "R P"]

    def copied(self, rows: Int[Tensor, " B"]) -> "_Read":
        """The prompts of these rows, each with keys and values of its own."""
        copy = DynamicCache()
        for i, layer in enumerate(self.cache.layers):
            copy.update(layer.keys[rows], layer.values[rows], i)
        return _Read(self.logits[rows], copy, self.is_prompt[rows])

    def go_on(self, model: Any, tokens: Int[Tensor, "R L"], written: int) -> Float[Tensor, "R L V"]:
        """Read L tokens more, behind ``written`` that were read since the prompts; logits of what follows each."""
        R, L = tokens.shape
        seen = torch.ones((R, written + L), dtype=self.is_prompt.dtype, device=tokens.device)
        logits: Tensor = model(
            input_ids=tokens,
            attention_mask=torch.cat([self.is_prompt, seen], dim=1),
            position_ids=self.is_prompt.sum(1)[:, None] + torch.arange(written, written + L, device=tokens.device),
            past_key_values=self.cache,
            use_cache=True,
        ).logits
        return logits


def _read(model: Any, prompts: Sequence[Tokens], device: torch.device) -> _Read:
    """Read each prompt once, and give every row its own."""
    row_of = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
    tokens = torch.zeros((len(row_of), max(map(len, row_of))), dtype=torch.int64)
    is_prompt = torch.zeros_like(tokens)
    for prompt, row in row_of.items():
        tokens[row, tokens.shape[1] - len(prompt) :] = torch.tensor(prompt)
        is_prompt[row, tokens.shape[1] - len(prompt) :] = 1
    is_prompt = is_prompt.to(device)
    output = model(
        input_ids=tokens.to(device),
        attention_mask=is_prompt,
        position_ids=(is_prompt.cumsum(1) - 1).clamp(min=0),
        past_key_values=DynamicCache(),
        use_cache=True,
        logits_to_keep=1,
    )
    rows = torch.tensor([row_of[prompt] for prompt in prompts], device=device)
    return _Read(output.logits[:, -1], output.past_key_values, is_prompt).copied(rows)


@torch.no_grad()
def write(
    model: Any,
    prompts: Sequence[Tokens],
    ends: Sequence[frozenset[int]],
    max_tokens: int,
    generator: torch.Generator,
    device: torch.device,
) -> list[Written]:
    """Let the model write after each prompt, drawing from all of its probabilities at temperature 1.

    Args:
        model: the language model.
        prompts: tokens of each.
        ends: for each prompt the tokens that end what is written after it.
        max_tokens: most tokens of a text.
        generator: on the CPU, where tokens are drawn.
        device: where the model takes its tokens.
    """
    read = _read(model, prompts, device)
    texts: list[list[int]] = [[] for _ in prompts]
    log_probs: list[list[float]] = [[] for _ in prompts]
    writing, logits = set(range(len(prompts))), read.logits
    for length in range(max_tokens):
        logp = _log_softmax(logits).cpu()
        drawn = torch.multinomial(logp.exp(), 1, generator=generator)
        chances = logp.gather(1, drawn)[:, 0].tolist()
        for row in sorted(writing):
            token = int(drawn[row])
            texts[row].append(token)
            log_probs[row].append(chances[row])
            if token in ends[row]:
                writing.remove(row)
        if not writing or length + 1 == max_tokens:
            break
        logits = read.go_on(model, drawn.to(device), length)[:, -1]
    return [Written(*parts) for parts in zip(prompts, map(tuple, texts), map(tuple, log_probs), strict=True)]


@dataclass(frozen=True)
class Chances:
    """How probable texts are to be written, token by token; whatever is behind a text's end is 0. Carries gradients.

    Attributes:
        logp: log-probability of each token, in nats.
        entropy: of what might have been written at its place, in nats.
    """

    logp: Float[Tensor, "B J"]
    entropy: Float[Tensor, "B J"]


def chances(model: Any, texts: Sequence[Written], device: torch.device) -> Chances:
    """How probable the model finds it to write these texts, each after its prompt."""
    row_of = {pair: row for row, pair in enumerate(dict.fromkeys((text.prompt, text.tokens) for text in texts))}
    J = max(len(tokens) for _, tokens in row_of)
    tokens = torch.zeros((len(row_of), J), dtype=torch.int64)
    is_token = torch.zeros((len(row_of), J), dtype=torch.bool)
    for (_, written), row in row_of.items():
        tokens[row, : len(written)] = torch.tensor(written)
        is_token[row, : len(written)] = True
    tokens, is_token = tokens.to(device), is_token.to(device)
    read = _read(model, [prompt for prompt, _ in row_of], device)
    logits = read.logits[:, None]
    if J > 1:
        logits = torch.cat([logits, read.go_on(model, tokens[:, :-1], 0)], dim=1)
    log_probs = _log_softmax(logits)
    logp = log_probs.gather(-1, tokens[..., None])[..., 0]
    entropy = -(log_probs.exp() * log_probs).sum(-1)
    rows = torch.tensor([row_of[text.prompt, text.tokens] for text in texts], device=device)
    return Chances((logp * is_token)[rows], (entropy * is_token)[rows])


def _log_softmax(logits: Tensor) -> Tensor:
    return torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
