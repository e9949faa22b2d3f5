"""Ways of scoring the same actions: packed, one padded row for each action, lm-evaluation-harness; and the floor.

Each is written as well as it can be without its own idea changing: tokens are made beforehand (except in the
harness, whose interface takes text), rows pass through the model in forwards of bounded size, and the bound on the
logits in memory is the same for all.
"""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from twosome.decision import Decision
from twosome.errors import MissingExtraError
from twosome.scoring import ActionScorer
from twosome.scoring.packed import MAX_LOGITS
from twosome.scoring.spans import Spans

Place = tuple[int, int]
"""Of a row: which decision, and which of its actions."""
Part = Callable[[], Tensor]


@dataclass(frozen=True)
class ScoringMethod:
    """A way of scoring, ready to run."""

    name: str  # what tables call it
    parts: tuple[Part, ...]  # each gives a tensor; one after another, they are the whole. A backward pass follows each
    places: tuple[Place, ...] = ()
    """Of the actions whose log-probabilities the parts give, in order; empty where they give none."""
    num_rows: int = 0  # actions in all. Where `places` are fewer, the time of all is scaled up from these
    fixed: Part | None = None  # the part of the time that does not grow with the rows, if there is one

    @property
    def scale(self) -> float:
        """All rows, in multiples of the rows that are run."""
        return self.num_rows / len(self.places) if self.places else 1.0


@dataclass(frozen=True)
class Request:
    """Decisions, as text and as tokens, to be scored by a scorer's model."""

    scorer: ActionScorer  # the scorer; its model and its bounds serve all ways
    decisions: Sequence[Decision]  # distinct
    spans: Sequence[Spans]  # of each decision

    @classmethod
    def of(cls, scorer: ActionScorer, decisions: Sequence[Decision]) -> "Request":
        """Tokenize the decisions."""
        return cls(scorer, decisions, [scorer.encoder.encode(decision) for decision in decisions])

    @property
    def places(self) -> list[Place]:
        """Every action that is available."""
        return [(d, a) for d, item in enumerate(self.spans) for a, tokens in enumerate(item.actions) if tokens]

    @property
    def width(self) -> int:
        """Tokens of the longest prompt with an action."""
        return max(len(item.shared) + len(tokens) for item in self.spans for tokens in item.actions)

    @property
    def vocab_size(self) -> int:
        """Numbers in one position's logits."""
        size: int = self.scorer.model.config.get_text_config().vocab_size
        return size

    @property
    def tokens_per_forward(self) -> int:
        """The bound on a forward with logits everywhere: what holds for packed rows, in tokens and in logits."""
        return min(self.scorer.max_tokens_per_forward, MAX_LOGITS // self.vocab_size)


def evenly(places: Sequence[Place], count: int) -> tuple[Place, ...]:
    """At most so many of the places, spread over all of them."""
    count = min(count, len(places))
    return tuple(places[i * len(places) // count] for i in range(count))


def packed(request: Request) -> ScoringMethod:
    """Our scorer: each prompt once, then the trie of its actions."""
    places = tuple(request.places)
    index = tuple(torch.tensor(part, device=request.scorer.device) for part in zip(*places, strict=True))
    return ScoringMethod("packed", (lambda: request.scorer.score(request.decisions).logp[index],), places, len(places))


def padded(request: Request, max_tokens: int) -> ScoringMethod:
    """Every prompt with every action as a row of its own, padded, log-softmax over logits at all positions.

    Args:
        request: what to score.
        max_tokens: about so many tokens are run, padding included; more rows are scaled up.
    """
    every = request.places
    places = evenly(every, max(1, max_tokens // request.width))
    size = max(1, request.tokens_per_forward // request.width)
    groups = [places[start : start + size] for start in range(0, len(places), size)]
    parts = [_padded_part(request, group) for group in groups]
    return ScoringMethod("padded", tuple(parts), places, len(every))


def _padded_part(request: Request, places: Sequence[Place]) -> Part:
    device = request.scorer.device
    rows = [(request.spans[d].shared, request.spans[d].actions[a]) for d, a in places]
    width = max(len(shared) + len(action) for shared, action in rows)
    tokens = torch.zeros((len(rows), width), dtype=torch.int64)
    is_token = torch.zeros_like(tokens)
    is_action = torch.zeros((len(rows), width - 1), dtype=torch.bool)
    for i, (shared, action) in enumerate(rows):
        length = len(shared) + len(action)
        tokens[i, :length] = torch.tensor([*shared, *action])
        is_token[i, :length] = 1
        is_action[i, len(shared) - 1 : length - 1] = True
    tokens, is_token, is_action = tokens.to(device), is_token.to(device), is_action.to(device)

    def score() -> Tensor:
        logits = request.scorer.model(input_ids=tokens, attention_mask=is_token, use_cache=False).logits[:, :-1]
        logp = torch.log_softmax(logits.to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
        return (logp.gather(-1, tokens[:, 1:, None])[..., 0] * is_action).sum(dim=-1)

    return score


def floor_size(spans: Sequence[Spans]) -> tuple[int, int]:
    """The fewest tokens that any exact method reads, and the fewest positions at which it needs logits.

    A token is read once for each distinct beginning of a text that ends in it: beginnings that actions, or prompts,
    have in common count once, and the last token of an action, if nothing follows it, is only predicted.
    """
    nodes: dict[tuple[int, int], int] = {}
    predicting = set()

    def walk(node: int, tokens: Sequence[int]) -> int:
        for token in tokens:
            node = nodes.setdefault((node, token), len(nodes) + 1)
        return node

    for item in spans:
        root = walk(0, item.shared)
        for action in item.actions:
            node = root
            for token in action[:-1]:
                predicting.add(node)
                node = walk(node, [token])
            if action:
                predicting.add(node)
    return len(nodes), len(predicting)


def plain(request: Request) -> ScoringMethod:
    """The floor: one causal forward over as many tokens, logits at as many positions, in a row for each decision."""
    scorer, num_rows = request.scorer, len(request.decisions)
    num_tokens, num_positions = (-(-count // num_rows) for count in floor_size(request.spans))
    tokens = torch.randint(request.vocab_size, (num_rows, num_tokens), device=scorer.device)

    def forward() -> Tensor:
        kept = min(num_positions, num_tokens)
        logits: Tensor = scorer.model(input_ids=tokens, use_cache=False, logits_to_keep=kept).logits
        return logits

    return ScoringMethod("plain", (forward,))


def harness(request: Request, max_tokens: int) -> ScoringMethod:
    """lm-evaluation-harness's log-likelihood of the same requests; forward only, its tokenizing included.

    Raises:
        MissingExtraError: it is not installed.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise MissingExtraError("lm-evaluation-harness is not installed: pip install 'twosome[retention]'")
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    every = request.places
    places = evenly(every, max(1, max_tokens // request.width))
    size = max(1, request.tokens_per_forward // request.width)
    instances = []
    for i, (d, a) in enumerate(places):
        decision = request.decisions[d]
        instances.append(Instance("loglikelihood", {}, (decision.prompt, f" {decision.actions[a]}"), i))
    scorer = request.scorer
    with _quiet():
        model = HFLM(pretrained=scorer.model, tokenizer=scorer.tokenizer, batch_size=size, device=str(scorer.device))

    def score() -> Tensor:
        with _quiet():
            return torch.tensor([logp for logp, _ in model.loglikelihood(instances, disable_tqdm=True)])

    return ScoringMethod("harness", (score,), places, len(every))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the harness logs and warns of."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)
