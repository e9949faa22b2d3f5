"""Pre-training from scratch: a Llama of about a million parameters on one CPU thread."""

import itertools
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from hearth.corpus import documents


@dataclass(frozen=True)
class Recipe:
    """What makes one variant of the model; the defaults make the one that is shipped.

    Args:
        tokens: how many tokens are read, each once.
        situations: share of documents that describe a moment and its next step.
        wander: how often a described person does something else than the sensible next step.
        width: hidden size; the feed-forward layer has 21/8 of it.
        layers: number of transformer blocks.
        seed: of corpus, initial weights and order.
        vocab_size: tokens of the BPE.
        row: tokens in a row; documents are packed one after another.
        batch: rows in a step.
        lr: highest learning rate; it falls to a twentieth along a cosine.
        warmup: steps of linear warm-up.
    """

    tokens: int = 4_000_000
    situations: float = 0.2
    wander: float = 0.15
    width: int = 128
    layers: int = 4
    seed: int = 0
    vocab_size: int = 768
    row: int = 256
    batch: int = 8
    lr: float = 3e-3
    warmup: int = 50


def new_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A randomly initialized Llama with tied embeddings."""
    torch.manual_seed(recipe.seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.width * 21 // 8,
        num_hidden_layers=recipe.layers,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    torch.nn.Module.float(model)
    return model


def pack(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> tuple[np.ndarray, int]:
    """The corpus as rows of tokens, int64 of shape (step, batch, row), and the number of documents in it."""
    steps = recipe.tokens // (recipe.batch * recipe.row)
    size, have, num_documents = steps * recipe.batch * recipe.row, 0, 0
    stream, parts = documents(recipe.seed, recipe.situations, recipe.wander), []
    while have < size:
        ids = tokenizer(list(itertools.islice(stream, 1000)))["input_ids"]
        parts.append(np.fromiter(itertools.chain.from_iterable(ids), np.int64))
        have, num_documents = have + len(parts[-1]), num_documents + len(ids)
    return np.concatenate(parts)[:size].reshape(steps, recipe.batch, recipe.row), num_documents


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then a cosine to a twentieth."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    progress = (step - recipe.warmup) / max(1, steps - recipe.warmup)
    return recipe.lr * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * progress)))


def pretrain(recipe: Recipe, tokenizer: PreTrainedTokenizerFast, rows: np.ndarray) -> LlamaForCausalLM:
    """Train a new model once through ``rows``; the same recipe gives the same weights on the same machine."""
    model = new_model(recipe, tokenizer)
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=recipe.lr, betas=(0.9, 0.95), weight_decay=0.1)
    began, losses = time.perf_counter(), []
    for step, batch in enumerate(rows):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, step, len(rows))
        input_ids = torch.from_numpy(batch)
        logits = model(input_ids=input_ids, use_cache=False).logits
        loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), input_ids[:, 1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % 100 == 99:
            speed = (step + 1) * batch.size / (time.perf_counter() - began)
            print(f"step {step + 1}/{len(rows)}  loss {np.mean(losses[-100:]):.3f}  {speed:,.0f} tokens/s", flush=True)
    model.train(False)
    return model


@torch.no_grad()
def perplexity(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> float:
    """Exponential of the mean loss per token, the start token not counted; each text on its own."""
    total, count = 0.0, 0
    for text in texts:
        input_ids = torch.tensor([tokenizer(text)["input_ids"]])
        logits = model(input_ids=input_ids).logits[0, :-1].float()
        total += torch.nn.functional.cross_entropy(logits, input_ids[0, 1:], reduction="sum").item()
        count += input_ids.shape[1] - 1
    return math.exp(total / count)
