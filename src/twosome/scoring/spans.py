"""Where an action begins: tokens, not strings, mark the boundary.

The definition, for every tokenizer. A model reads ``prompt + " " + phrase`` for each available phrase of a
decision, tokenized as one text, after whatever the tokenizer by default puts in front of a text (a
beginning-of-sequence token) and without what it puts behind. The *shared* tokens are the longest common
prefix of these rows and of the prompt's own tokens. The score of an action is the joint log-probability of
all its row's tokens behind the shared ones, given the shared ones.

With most tokenizers the shared tokens are the prompt's, and the rest is the action. Where a tokenizer merges
the prompt's end with the beginning of an action, the shared part ends before the merged token, for all
actions of the decision alike: each score then covers the same stretch of text, from the last boundary that
all rows have in common, so that scores stay comparable. `is_clean` says which of the two it was.
"""

import itertools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from twosome.decision import Decision
from twosome.errors import ConfigError, ModelError, PromptTooLongError, quote
from twosome.scoring.chat import render_chat
from twosome.setting_types import PromptFormat


class UnknownTokenWarning(UserWarning):
    """A part of an action is unknown to the tokenizer, so that all such parts look alike to the model."""


@dataclass(frozen=True)
class Spans:
    """A decision in tokens."""

    shared: tuple[int, ...]  # ids that all rows begin with, at least one
    actions: tuple[tuple[int, ...], ...]
    """For each action id, the ids behind the shared ones; empty where it is not available."""
    is_clean: bool  # True where the shared tokens are all of the prompt's
    text: str = ""  # the prompt as it is put into tokens
    phrases: tuple[str, ...] = ()  # of the actions

    def row(self, action: int) -> str:
        """The text whose tokens are the shared ones and those of an action that is available."""
        return f"{self.text} {self.phrases[action]}"


class SpanEncoder:
    """Turns prompts and decisions into tokens.

    Args:
        tokenizer: a Transformers tokenizer.
        prompt_format: ``"plain"``: the prompt as it is. ``"chat"``: through the tokenizer's chat template; the
            unfinished last sentence begins the assistant's answer, and what stands before is the user's message.
        max_length: most tokens that the model takes; None: no limit.
        num_tokens: how many different tokens the model knows; None: as many as the tokenizer.

    Raises:
        ConfigError: `prompt_format` is neither of the two.
        ModelError: the format is ``"chat"`` and the tokenizer has no chat template.
    """

    def __init__(
        self,
        tokenizer: Any,
        prompt_format: PromptFormat = "plain",
        max_length: int | None = None,
        num_tokens: int | None = None,
    ) -> None:
        if prompt_format not in ("plain", "chat"):
            raise ConfigError(f"prompt_format is {prompt_format!r}; expected 'plain' or 'chat'.")
        if prompt_format == "chat" and not getattr(tokenizer, "chat_template", None):
            raise ModelError(
                "the tokenizer has no chat template, which prompt_format='chat' needs. "
                "Use an instruction-tuned model, or prompt_format='plain'."
            )
        self.tokenizer = tokenizer
        self.prompt_format = prompt_format
        self.max_length = max_length
        self.num_tokens = num_tokens
        self._unknown = getattr(tokenizer, "unk_token_id", None)
        # A template writes its own special tokens.
        self._front = () if prompt_format == "chat" else _front_tokens(tokenizer)

    def prompt_ids(self, prompt: str) -> tuple[int, ...]:
        """The prompt's tokens, with what the tokenizer puts in front of a text.

        Raises:
            ModelError: the prompt has no tokens at all.
            PromptTooLongError: the prompt does not fit into the model.
        """
        ids = self._encode([self._text(prompt)])[0]
        if not ids:
            raise ModelError(
                f"the prompt {quote(prompt)} has no tokens, and this tokenizer puts none in front of a text, so there "
                "is nothing to condition on. Give a prompt that is not empty."
            )
        self._check_length(len(ids), prompt, "")
        return ids

    def encode(self, decision: Decision) -> Spans:
        """The decision's tokens and where its actions begin.

        Raises:
            ModelError: a phrase has no tokens, or nothing is left to condition on.
            PromptTooLongError: the prompt with one of its actions does not fit into the model.
        """
        text = self._text(decision.prompt)
        available = decision.available
        prompt, *rows = self._encode([text, *(f"{text} {decision.actions[i]}" for i in available)])
        length = _common_prefix([prompt, *rows])
        if length == 0:
            raise ModelError(
                f"the rows of the prompt {quote(decision.prompt)} share no first token with it, and this tokenizer "
                "puts none in front of a text, so there is nothing to condition on. Begin the prompt with a word of "
                "its own."
            )
        actions: list[tuple[int, ...]] = [()] * len(decision.actions)
        for i, row in zip(available, rows, strict=True):
            self._check_length(len(row), decision.prompt, decision.actions[i])
            actions[i] = row[length:]
            if not actions[i]:
                raise ModelError(
                    f"the tokenizer makes no tokens of the action {quote(decision.actions[i])} after the prompt "
                    f"{quote(decision.prompt)}. Word the action in characters that the tokenizer knows."
                )
            if self._unknown in actions[i]:
                warnings.warn(
                    f"the tokenizer does not know all of the action {quote(decision.actions[i])}: to the model, "
                    "whatever it does not know is the same. Word the action otherwise.",
                    UnknownTokenWarning,
                    stacklevel=2,
                )
        return Spans(rows[0][:length], tuple(actions), length == len(prompt), text, decision.actions)

    def token_texts(self, spans: Spans, action: int) -> list[str]:
        """The text that each token of an action adds to what stands before it; together the action's own text.

        A character that takes several tokens is added by the last of them, and the others add nothing.
        """
        if not getattr(self.tokenizer, "is_fast", False):
            return self._decoded_texts(spans, action)
        text = spans.row(action)
        encoded = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        starts, ends = zip(*encoded["offset_mapping"], strict=True)
        # Where the next token begins within this one's last character, that character is not yet complete.
        reached = [min(end, start) for end, start in zip(ends, (*starts[1:], len(text)), strict=True)]
        num_shared = len(spans.shared) - len(self._front)
        bounds = [0, *itertools.accumulate([*reached[:-1], len(text)], max)][num_shared:]
        return [text[a:b] for a, b in itertools.pairwise(bounds)]

    def _decoded_texts(self, spans: Spans, action: int) -> list[str]:
        """The same by a tokenizer that does not say where its tokens stand."""
        ids = [*spans.shared, *spans.actions[action]]
        texts = [
            self.tokenizer.decode(ids[:stop], clean_up_tokenization_spaces=False)
            for stop in range(len(spans.shared), len(ids) + 1)
        ]
        # An unfinished character is decoded as U+FFFD.
        finished = [text.rstrip("\ufffd") for text in texts[:-1]] + [texts[-1]]
        bounds = list(itertools.accumulate(map(len, finished), max))
        return [texts[-1][a:b] for a, b in itertools.pairwise(bounds)]

    def _text(self, prompt: str) -> str:
        return prompt if self.prompt_format == "plain" else render_chat(self.tokenizer, prompt)

    def _encode(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        rows = [self._front + tuple(ids) for ids in _token_ids(self.tokenizer, texts, special=False)]
        largest = max(map(max, filter(None, rows)), default=0)
        if self.num_tokens is not None and largest >= self.num_tokens:
            raise ModelError(
                f"the tokenizer has the token number {largest}, and the model knows only {self.num_tokens} tokens: "
                "they do not belong together. Put the model's own tokenizer beside its config.json."
            )
        return rows

    def _check_length(self, length: int, prompt: str, phrase: str) -> None:
        if self.max_length is not None and length > self.max_length:
            raise PromptTooLongError(
                f"{length} tokens in the prompt that begins {quote(prompt)}"
                + (f" with the action {quote(phrase)}" if phrase else "")
                + f"; the model takes at most {self.max_length}. Shorten the prompt, or choose a model with a "
                "longer context."
            )


def _token_ids(tokenizer: Any, texts: Sequence[str], *, special: bool) -> list[list[int]]:
    try:
        encoded = tokenizer(
            list(texts),
            add_special_tokens=special,
            padding=False,
            truncation=False,
            return_attention_mask=False,
            verbose=False,
        )
    except Exception as error:  # its files may say anything, and are made sense of only now
        raise ModelError(
            f"the tokenizer cannot read {quote(texts[0])}: {quote(str(error))}. Correct its tokenizer_config.json, or "
            "copy the model again."
        ) from error
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def _front_tokens(tokenizer: Any) -> tuple[int, ...]:
    """What the tokenizer by default puts in front of a text."""
    with_special = _token_ids(tokenizer, ["Now you"], special=True)[0]
    without = _token_ids(tokenizer, ["Now you"], special=False)[0]
    for start in range(len(with_special) - len(without) + 1):
        if with_special[start : start + len(without)] == without:
            return tuple(with_special[:start])
    raise ModelError(
        "cannot tell which tokens this tokenizer puts in front of a text: its tokens with and without special ones "
        f"are {with_special} and {without}. Use the tokenizer of a causal language model."
    )


def _common_prefix(rows: Sequence[tuple[int, ...]]) -> int:
    """Number of leading tokens in which all rows agree; the smallest and the greatest row decide."""
    low, high = min(rows), max(rows)
    for length, (a, b) in enumerate(zip(low, high, strict=False)):
        if a != b:
            return length
    return min(len(low), len(high))
