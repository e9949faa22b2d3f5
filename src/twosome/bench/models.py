"""Random Llamas of known sizes: speed depends on shapes, not on what a model has learned."""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from twosome.models import Adapters
from twosome.policy.tuning import attach_to, trainable
from twosome.scoring import ActionScorer


@dataclass(frozen=True)
class Size:
    """Shape of a Llama; heads are 64 wide, the feed-forward layers 2.7 times as wide as the rest."""

    width: int
    layers: int
    vocab_size: int

    @property
    def inner(self) -> int:
        """Width of the feed-forward layers."""
        return 43 * self.width // 16

    @property
    def matmul_parameters(self) -> int:
        """Weights that every token is multiplied with; the output layer, which few positions meet, apart."""
        return self.layers * (4 * self.width**2 + 3 * self.width * self.inner)


SIZES = {
    "1M": Size(128, 4, 2_000),
    "6M": Size(256, 6, 2_000),
    "27M": Size(512, 8, 2_000),
    "117M": Size(768, 16, 2_000),
    "58M": Size(512, 8, 32_000),
}
"""By number of parameters. The first four differ in their layers alone; the last has a vocabulary of usual size."""


def random_llama(size: Size, seed: int = 0) -> Any:
    """A Llama with random weights, in evaluation mode, float32."""
    config = LlamaConfig(
        vocab_size=size.vocab_size,
        hidden_size=size.width,
        intermediate_size=size.inner,
        num_hidden_layers=size.layers,
        num_attention_heads=size.width // 64,
        max_position_embeddings=4096,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model: Any = LlamaForCausalLM(config)
        return model.eval()


def word_tokenizer(words: list[str], vocab_size: int) -> Any:
    """One token for each of the words, as a large vocabulary has it for words as common as these."""
    vocab = [*dict.fromkeys(words)]
    vocab += [f"<{i}>" for i in range(vocab_size - len(vocab))]
    core = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocab)}, unk_token=vocab[-1]))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast: Any = PreTrainedTokenizerFast
    return fast(tokenizer_object=core, eos_token=vocab[-1])


def put_random_adapters(scorer: ActionScorer, targets: tuple[str, ...] = (), seed: int = 0) -> None:
    """Adapters as training has them (rank 8, the family's usual layers), but not zero, so that they matter.

    Raises:
        ModelError: the model has no layers of the given names, or its family has no usual ones.
    """
    attach_to(scorer, Adapters(targets=targets), seed=seed)
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        for parameter in trainable(scorer.model):
            torch.nn.init.normal_(parameter, std=0.02)
