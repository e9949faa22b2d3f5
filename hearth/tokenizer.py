"""The tokenizer: a byte-level BPE, small enough that everyday words fall into more than one token."""

import itertools
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

PAD, START = "<pad>", "<s>"


DAMPING = 0.25
"""A word counts as often as its number of occurrences to this power."""


def _damped(texts: Iterable[str], splitter: pre_tokenizers.PreTokenizer) -> Iterator[str]:
    """Each word of ``texts`` with its blank, repeated fewer times than it occurs, in a fixed order.

    A generated corpus has few words, so plain counts would make nearly all of them one token each. In real
    tokenizers only the most frequent words are whole; damping gives that to a small vocabulary.
    """
    counts = Counter(text[i:j] for text in texts for _, (i, j) in splitter.pre_tokenize_str(text))
    for word in sorted(counts):
        yield from itertools.repeat(word, math.ceil(counts[word] ** DAMPING))


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Train the BPE on ``texts``; every encoded text begins with the start token.

    Any string survives encoding and decoding unchanged, since each byte is a token of its own.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, START],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_damped(texts, tokenizer.pre_tokenizer), trainer)
    start = tokenizer.token_to_id(START)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", pair=f"{START} $A {START} $B", special_tokens=[(START, start)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=START,
        pad_token=PAD,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def save_tokenizer(tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write ``tokenizer.json`` and ``tokenizer_config.json``, with the class name that every version knows."""
    tokenizer.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    file.write_text(json.dumps(settings, indent=2) + "\n")
