"""The scorer: strings and a causal language model in, log-probabilities of actions out."""

import math
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from twosome.decision import Decision
from twosome.errors import ConfigError, ModelError, PromptTooLongError
from twosome.models import load_model
from twosome.scoring.adapters import inner_model
from twosome.scoring.bounded import recomputed_if_large, split_to_fit
from twosome.scoring.cache import BoundedCache
from twosome.scoring.checks import (
    EXAMPLES,
    PackingWarning,
    batching_fault,
    needs_reading_alone,
    packing_fault,
    require_no_dropout,
    reuse_fault,
)
from twosome.scoring.forest import Costs, PackedRow, most_tokens, pack
from twosome.scoring.lower import LowerLayers
from twosome.scoring.naive import naive_token_log_probs
from twosome.scoring.packed import Lower, max_nodes, packed_token_log_probs, row_costs
from twosome.scoring.position_ranges import PositionRanges
from twosome.scoring.scored import ScoredActions
from twosome.scoring.spans import SpanEncoder, Spans, UnknownTokenWarning
from twosome.scoring.trie import ActionTrie, IntArray, build_tries
from twosome.setting_types import DType, PromptFormat, Quantization

Method = Literal["auto", "packed", "naive"]

MAX_TOKENS_PER_FORWARD = 16384
_CACHED_DECISIONS = 8192
_CACHED_ACTIONS = 32
"""Of a decision that counts as one in the cache; one with more counts as several."""
_CACHED_PHRASES = 65536


@dataclass(frozen=True)
class _Prepared:
    """What does not change about a decision while the tokenizer stays: computed once for each distinct one."""

    spans: Spans
    tries: tuple[ActionTrie, ...]
    counts: IntArray  # [4, A]: tokens, words, bytes, actions with the same phrase

    @property
    def weight(self) -> int:
        """For how many usual decisions it counts in the cache."""
        return math.ceil(len(self.spans.actions) / _CACHED_ACTIONS)


class ActionScorer:
    """Scores every action of a decision with a causal language model.

    The score is the joint log-probability of an action's tokens after the prompt, as `twosome.scoring.spans`
    defines it. Decisions go through the model in packed rows: the prompt once, then the trie of its actions.
    Decisions that are equal are evaluated once and share their result, gradients included.

    A score must not depend on chance: in training mode with dropout above zero, scoring raises. The scorer never
    changes the model's mode. Gradients flow into whatever requires them unless switched off. `max_tokens_per_forward`
    bounds one forward, and so the memory for activations, with gradients too: a call that takes more computes its
    forwards once more in the backward pass, one after the other. `parts` says which decisions to score in one call
    so that this is not needed.

    Args:
        model: a Transformers model with a language-modelling head, or a `peft.PeftModel` around one.
        tokenizer: its tokenizer.
        name: how messages call the model.
        method: ``"packed"``, ``"naive"`` (one action in each forward), or ``"auto"``: packed where the model proves,
            on a small example, to give the same as naive, else naive with a `PackingWarning` that says why.
        prompt_format: ``"plain"``, or ``"chat"`` for the tokenizer's chat template (see `SpanEncoder`).
        max_tokens_per_forward: most tokens, padding included, that pass through the model at once; a decision with
            more is spread over several rows. A single action after its prompt always goes in one piece.

    Attributes:
        model: may be replaced by the same model with adapters.
        tokenizer: as given.
        name: as given.
        method: the one in use, ``"packed"`` or ``"naive"``.
        lower: the layers whose results are kept; None: none (see `reuse_below`).
        first_trained: number of the first layer that may change.

    Raises:
        ConfigError: an argument is out of range.
        ModelError: ``method="packed"`` and the model cannot be scored so; the tokenizer or adapters do not serve.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        name: str = "",
        method: Method = "auto",
        prompt_format: PromptFormat = "plain",
        max_tokens_per_forward: int = MAX_TOKENS_PER_FORWARD,
    ) -> None:
        if method not in ("auto", "packed", "naive"):
            raise ConfigError(f"method is {method!r}; expected 'auto', 'packed' or 'naive'.")
        if max_tokens_per_forward < 1:
            raise ConfigError(f"max_tokens_per_forward is {max_tokens_per_forward}; expected at least 1.")
        _require_model(model)
        self.model = model
        self.tokenizer = tokenizer
        self.name = name or getattr(model.config, "name_or_path", "") or type(model).__name__
        self._max_tokens_per_forward = max_tokens_per_forward
        num_tokens = model.get_input_embeddings().weight.shape[0]
        self.encoder = SpanEncoder(tokenizer, prompt_format, _max_length(model), num_tokens)
        self._position_ranges = PositionRanges.of_model(model.config)
        self._prepared = _prepared_cache()
        self.context_free_cache: BoundedCache[tuple[str, str], float] = BoundedCache(_CACHED_PHRASES)
        self.lower: LowerLayers | None = None
        self.first_trained = 0
        self._reads_alone = False
        self.method: Literal["packed", "naive"] = "naive"
        self._check(method)

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str,
        *,
        dtype: DType = "auto",
        device: str = "auto",
        quantization: Quantization = None,
        trust_remote_code: bool = False,
        method: Method = "auto",
        prompt_format: PromptFormat = "plain",
        max_tokens_per_forward: int = MAX_TOKENS_PER_FORWARD,
    ) -> "ActionScorer":
        """Load a model and its tokenizer, and make a scorer of them.

        Args:
            name_or_path: ``"hearth"`` (embedded in this package), a folder, or an id on the Hugging Face Hub.
            dtype: of the weights; ``"auto"``: bfloat16 on a GPU that computes in it, else float16 there, and
                float32 on a CPU.
            device: ``"auto"``: the GPU where there is one, of NVIDIA or AMD before Apple's.
            quantization: ``"8bit"`` or ``"4bit"`` through bitsandbytes.
            trust_remote_code: run Python code that comes with the model.
            method: see the class.
            prompt_format: see the class.
            max_tokens_per_forward: see the class.

        Raises:
            ConfigError: an argument is out of range.
            ModelError: the model cannot be found, has no safetensors weights or no tokenizer.
            MissingExtraError: quantization is wanted and bitsandbytes is not installed.
        """
        model, tokenizer = load_model(
            name_or_path, dtype=dtype, device=device, quantization=quantization, trust_remote_code=trust_remote_code
        )
        return cls(
            model,
            tokenizer,
            name=str(name_or_path),
            method=method,
            prompt_format=prompt_format,
            max_tokens_per_forward=max_tokens_per_forward,
        )

    @property
    def max_tokens_per_forward(self) -> int:
        """Bound on the tokens of one forward; may be changed."""
        return self._max_tokens_per_forward

    @max_tokens_per_forward.setter
    def max_tokens_per_forward(self, max_tokens: int) -> None:
        self._max_tokens_per_forward = max_tokens
        # What was prepared is cut into tries for the old bound.
        self._prepared = _prepared_cache()

    @property
    def device(self) -> torch.device:
        """Where the model takes its tokens."""
        device: torch.device = self.model.get_input_embeddings().weight.device
        return device

    def score(self, decisions: Sequence[Decision]) -> ScoredActions:
        """Joint log-probabilities of all actions, padded to the largest number of action ids.

        Raises:
            ModelError: a phrase cannot be scored, or the model would score by chance.
            PromptTooLongError: a prompt with one of its actions does not fit into the model.
        """
        distinct, inverse, prepared = self._prepare(decisions)
        num_actions = max(len(decision.actions) for decision in distinct)
        counts = np.zeros((4, len(distinct), num_actions), dtype=np.int64)
        for row, item in enumerate(prepared):
            counts[:, row, : item.counts.shape[1]] = item.counts

        targets, sums = [], []
        for target, token_logp in self._token_log_probs(prepared, num_actions):
            targets.append(target)
            sums.append(token_logp.sum(dim=-1))
        values, where = torch.cat(sums), torch.from_numpy(np.concatenate(targets)).to(self.device)
        table = values.new_full((len(distinct) * num_actions,), -torch.inf).index_put((where,), values)
        logp = table.view(len(distinct), num_actions)[torch.from_numpy(inverse).to(self.device)]
        num_tokens, num_words, num_bytes, num_alike = torch.from_numpy(counts[:, inverse]).to(self.device)
        repeated = num_alike if counts[3].max() > 1 else None
        return ScoredActions(logp, num_tokens > 0, num_tokens, num_words, num_bytes, repeated)

    def log_probs(self, decisions: Sequence[Decision]) -> list[Float[Tensor, " n"]]:
        """For each decision the joint log-probabilities of its actions, in nats; -inf where not available."""
        logp = self.score(decisions).logp
        return [row[: len(decision.actions)] for row, decision in zip(logp, decisions, strict=True)]

    def parts(self, decisions: Sequence[Decision]) -> list[list[int]]:
        """Which decisions to score together, so that a call takes at most `max_tokens_per_forward` tokens.

        Returns:
            Positions in `decisions`: each in one part, equal decisions in the same. A single part where all fit; a
            decision that takes more by itself is a part of its own.
        """
        _, inverse, prepared = self._prepare(decisions)
        # Neighbors in this order share the beginning of their prompts.
        order = sorted(range(len(prepared)), key=lambda i: prepared[i].spans.shared)
        parts = split_to_fit(order, lambda part: self._fits([prepared[i] for i in part]))
        return [np.flatnonzero(np.isin(inverse, part)).tolist() for part in parts]

    def fits(self, prompt: str, phrases: Sequence[str]) -> bool:
        """Whether the model's context holds a prompt, and the prompt with each of some phrases.

        Raises:
            ModelError: they cannot be put into tokens.
        """
        try:
            if any(phrases):
                self.spans(Decision(prompt, tuple(phrases)))
            self.encoder.prompt_ids(prompt)
        except PromptTooLongError:
            return False
        return True

    @torch.no_grad()
    def token_log_probs(self, decisions: Sequence[Decision]) -> list[list[list[tuple[str, float]]]]:
        """For each decision and action, its tokens: the text that each adds, and its log-probability in nats.

        Empty for an action that is not available. Without gradients: for people to read.
        """
        distinct, inverse, prepared = self._prepare(decisions)
        num_actions = max(len(decision.actions) for decision in distinct)
        tables: list[list[list[tuple[str, float]]]] = [[[] for _ in decision.actions] for decision in distinct]
        for target, token_logp in self._token_log_probs(prepared, num_actions):
            for flat, logp in zip(target.tolist(), token_logp.tolist(), strict=True):
                row, action = divmod(flat, num_actions)
                texts = self.encoder.token_texts(prepared[row].spans, action)
                tables[row][action] = list(zip(texts, logp[: len(texts)], strict=True))
        return [tables[row] for row in inverse]

    def spans(self, decision: Decision) -> Spans:
        """The decision's tokens and where its actions begin, as they are scored; see `SpanEncoder.encode`."""
        return self._prepared.get(decision, self._prepare_one).spans

    def prompt_features(self, prompts: Sequence[str | tuple[int, ...]]) -> Float[Tensor, "B D"]:
        """What the model makes of each prompt: the last layer's output, after the final norm, at its last token.

        The last token is the last of the prompt as tokenized on its own; or tokens are given in place of a text. In
        float32 (float64 for a model in float64). Equal prompts are evaluated once.
        """
        if not prompts:
            raise ConfigError("there is no prompt to read; expected at least one.")
        require_no_dropout(self.model)
        distinct = {prompt: row for row, prompt in enumerate(dict.fromkeys(prompts))}
        ids = [self.encoder.prompt_ids(prompt) if isinstance(prompt, str) else prompt for prompt in distinct]
        # Long ones first; those that share a forward are of one stretch of lengths, which is a run in this order.
        order = sorted(range(len(ids)), key=lambda row: (-len(ids[row]), row))
        parts, done = [], 0
        while done < len(order):
            size = 1 if self._reads_alone else max(1, self.max_tokens_per_forward // len(ids[order[done]]))
            range_of = self._position_ranges.of(len(ids[order[done]]))
            group = [row for row in order[done : done + size] if self._position_ranges.of(len(ids[row])) == range_of]
            parts.append(self._features([ids[row] for row in group]))
            done += len(group)
        place = {row: place for place, row in enumerate(order)}
        index = torch.tensor([place[distinct[prompt]] for prompt in prompts], device=self.device)
        return torch.cat(parts)[index]

    def _features(self, ids: Sequence[Sequence[int]]) -> Float[Tensor, "B D"]:
        tokens = torch.zeros((len(ids), max(map(len, ids))), dtype=torch.int64)
        for row, prompt in zip(tokens, ids, strict=True):
            row[: len(prompt)] = torch.tensor(prompt)
        # Padded on the right: no prompt token sees the padding, whatever the family makes of a mask.
        lengths = torch.tensor([len(prompt) for prompt in ids])
        mask = (torch.arange(tokens.shape[1])[None, :] < lengths[:, None]).long()
        if getattr(self.model.config.get_text_config(), "sliding_window", None) is not None:
            # Far behind the prompt a window holds padding alone, and a softmax over nothing is NaN, which spreads.
            mask = torch.ones_like(mask)
        hidden = (
            inner_model(self.model)
            .base_model(input_ids=tokens.to(self.device), attention_mask=mask.to(self.device), use_cache=False)
            .last_hidden_state
        )
        last = hidden[torch.arange(len(ids), device=hidden.device), lengths.to(hidden.device) - 1]
        return cast(Tensor, last.to(torch.promote_types(last.dtype, torch.float32)))

    def _prepare(self, decisions: Sequence[Decision]) -> tuple[list[Decision], IntArray, list[_Prepared]]:
        if not decisions:
            raise ConfigError("there is no decision to score; expected at least one.")
        require_no_dropout(self.model)
        row_of = {decision: row for row, decision in enumerate(dict.fromkeys(decisions))}
        inverse = np.fromiter((row_of[decision] for decision in decisions), dtype=np.int64, count=len(decisions))
        return list(row_of), inverse, [self._prepared.get(decision, self._prepare_one) for decision in row_of]

    def _prepare_one(self, decision: Decision) -> _Prepared:
        spans = self.encoder.encode(decision)
        nodes = max_nodes(len(spans.shared), self._costs)
        times = Counter(decision.actions)
        counts = [
            [len(tokens) for tokens in spans.actions],
            [len(phrase.split()) for phrase in decision.actions],
            [len(phrase.encode()) for phrase in decision.actions],
            [times[phrase] for phrase in decision.actions],
        ]
        tries = [trie for part in self._alike(spans) for trie in build_tries(spans.shared, part, nodes)]
        return _Prepared(spans, tuple(tries), np.array(counts, dtype=np.int64))

    def _alike(self, spans: Spans) -> list[list[tuple[int, ...]]]:
        """The actions, parted by the stretch of lengths that their rows lie in; in each part, the others are empty."""
        range_of = [self._position_ranges.of(len(spans.shared) + len(tokens) - 1) for tokens in spans.actions]
        return [
            [tokens if mine == one else () for tokens, mine in zip(spans.actions, range_of, strict=True)]
            for one in sorted({s for s, tokens in zip(range_of, spans.actions, strict=True) if tokens})
        ]

    def _fits(self, prepared: Sequence[_Prepared]) -> bool:
        """Whether decisions together put at most `max_tokens_per_forward` tokens through the model."""
        bound = self.max_tokens_per_forward
        if self.method == "naive":
            return sum(sum(_naive_lengths(item.spans)) for item in prepared) <= bound
        if most_tokens([trie for item in prepared for trie in item.tries], self._costs) <= bound:
            return True
        rows = self._rows(prepared)
        return len(rows) * max(row.length for row in rows) <= bound

    @property
    def _costs(self) -> Costs:
        return row_costs(self.model.config, self.max_tokens_per_forward)

    def _rows(self, prepared: Sequence[_Prepared]) -> list[PackedRow]:
        return pack([trie for item in prepared for trie in item.tries], self._costs, self._position_ranges)

    def _token_log_probs(
        self, prepared: Sequence[_Prepared], num_actions: int
    ) -> Iterator[tuple[IntArray, Float[Tensor, "A L"]]]:
        """Some actions at a time: where each belongs in [distinct decisions x actions], and its tokens' log p."""
        if self.method == "naive":
            row_tokens = [n for item in prepared for n in _naive_lengths(item.spans)]
            forward = recomputed_if_large(naive_token_log_probs, row_tokens, self.max_tokens_per_forward)
            for row, item in enumerate(prepared):
                for action, tokens in enumerate(item.spans.actions):
                    if tokens:
                        logp = forward(self.model, item.spans.shared, tokens, self.device)
                        yield np.array([row * num_actions + action]), logp[None]
            return
        decision_of = np.repeat(np.arange(len(prepared)), [len(item.tries) for item in prepared])
        rows, bound = self._rows(prepared), self.max_tokens_per_forward
        lower = self._lower_of([trie for item in prepared for trie in item.tries])
        for group, logp in packed_token_log_probs(self.model, rows, self.device, bound, lower):
            yield (
                np.concatenate([decision_of[rows[i].owners] * num_actions + rows[i].action_ids for i in group]),
                logp,
            )

    def reuse_below(self, first: int) -> None:
        """From now on keep what the layers below one make of each decision, since none of them will change.

        Where a family does not allow that, each score is computed from the beginning, and a `PackingWarning` says why.

        Args:
            first: number of the first layer that may change.
        """
        self.first_trained = first
        if first == 0 or self.method == "naive":
            return
        whole, self.lower = self._example(), LowerLayers(self.model, first)
        if fault := reuse_fault(self.model, whole, self._example):
            self.lower = None
            _warn(f"{self.name!r} is computed from its lowest layer on at each score, which is slower: {fault}")

    def _lower_of(self, tries: Sequence[ActionTrie]) -> Lower | None:
        lower, costs = self.lower, self._costs
        if lower is None:
            return None

        def row_of(trie: ActionTrie) -> PackedRow:
            (row,) = pack([trie], costs, self._position_ranges)
            return row

        return lower, lambda rows: lower.states(tries, rows, row_of, self.device)

    def _example(self) -> list[Tensor]:
        with warnings.catch_warnings(), torch.no_grad():
            # The examples need not be in the words of the model's environment.
            warnings.simplefilter("ignore", UnknownTokenWarning)
            return self.log_probs(EXAMPLES)

    def _check(self, method: Method) -> None:
        """Find out how the model can be scored, and whether prompts can be read together."""
        require_no_dropout(self.model)
        try:
            ids = self.encoder.prompt_ids(EXAMPLES[0].prompt)
            self._reads_alone = needs_reading_alone(self.model, ids, self.encoder.max_length, self.prompt_features)
            if self._reads_alone:
                _warn(f"{self.name!r} reads one prompt at a time, since the one beside it changes what it makes of it")
            fault = None if method == "naive" else self._packing_fault(ids)
        except ModelError as error:
            raise ModelError(
                f"the model {self.name!r} cannot score a plain example: {error} Is the tokenizer that of the model?"
            ) from error
        if method == "packed" and fault:
            raise ModelError(
                f"the model {self.name!r} cannot be scored in packed rows: {fault}. Use method='auto' or 'naive'."
            )
        if fault:
            _warn(f"{self.name!r} is scored one action at a time, which is slower: {fault}")
        self.method = "naive" if method == "naive" or fault else "packed"

    def _packing_fault(self, ids: Sequence[int]) -> str | None:
        def by(method: Literal["packed", "naive"]) -> list[Tensor]:
            self.method = method
            return self._example()

        fault = packing_fault(self.model, lambda: by("packed"), lambda: by("naive"))
        return fault or batching_fault(self.model, ids, self.encoder.max_length, self.device)


def _warn(what: str) -> None:
    warnings.warn(f"the model {what}.", PackingWarning, stacklevel=5)


def _prepared_cache() -> BoundedCache[Decision, _Prepared]:
    return BoundedCache(_CACHED_DECISIONS, lambda prepared: prepared.weight)


def _require_model(model: Any) -> None:
    for config in getattr(model, "peft_config", {}).values():
        if getattr(config, "is_prompt_learning", False):
            raise ModelError(
                f"adapters of the kind {type(config).__name__} put tokens of their own before the prompt, which "
                "scoring does not support. Use adapters inside the layers, such as LoRA."
            )


def _naive_lengths(spans: Spans) -> list[int]:
    """Tokens of each forward when actions are scored one at a time."""
    return [len(spans.shared) + len(tokens) - 1 for tokens in spans.actions if tokens]


def _max_length(model: Any) -> int | None:
    length = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    return length if isinstance(length, int) and length > 0 else None
