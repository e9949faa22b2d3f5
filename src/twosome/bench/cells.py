"""One cell of a comparison: a batch of decisions, scored in every way."""

from collections.abc import Sequence
from typing import Any

from twosome.bench.cached import cached
from twosome.bench.compare import Mode, compare, largest_difference, run_parts, seconds
from twosome.bench.methods import Request, ScoringMethod, floor_size, harness, packed, padded, plain
from twosome.decision import Decision
from twosome.errors import MissingExtraError
from twosome.scoring import ActionScorer

MODES: tuple[Mode, ...] = ("forward", "forward_backward")


def measure(
    scorer: ActionScorer,
    decisions: Sequence[Decision],
    *,
    modes: Sequence[Mode] = MODES,
    slow_s: float = 1.0,
    budget_s: float = 0.0,
    min_repeats: int = 3,
    max_repeats: int = 9,
) -> dict[str, Any]:
    """Agreement, time and memory of every way, as plain JSON.

    Args:
        scorer: its model with adapters, if there is to be a backward pass.
        decisions: distinct.
        modes: what is timed.
        slow_s: of padded rows, about as many are run as take so long forward; the time of more is scaled up, and the
            result says so.
        budget_s: repeat until so much time is spent on a mode, within the next two.
        min_repeats: at least so often.
        max_repeats: at most so often.
    """
    request = Request.of(scorer, decisions)
    max_tokens = int(slow_s * _padded_tokens_per_second(request))
    ways = [packed(request), padded(request, max_tokens), cached(request, max_tokens), plain(request)]
    slow, left_out = _harness(request, max_tokens)
    floor_tokens, floor_positions = floor_size(request.spans)
    limits: dict[str, Any] = {"budget_s": budget_s, "min_repeats": min_repeats, "max_repeats": max_repeats}
    return {
        "decisions": len(decisions),
        "prompt_tokens": max(len(item.shared) for item in request.spans),
        "actions": max(len(decision.available) for decision in decisions),
        "padded_tokens": len(request.places) * request.width,
        "floor_tokens": floor_tokens,
        "floor_positions": floor_positions,
        "largest_difference_nats": largest_difference([*ways, *slow], scorer.model),
        "left_out": left_out,
        **{
            # The harness computes without gradients.
            mode: compare(ways + (slow if mode == "forward" else []), mode, scorer.model, scorer.device, **limits)
            for mode in modes
        },
    }


def _padded_tokens_per_second(request: Request) -> float:
    """How fast one forward with logits everywhere is; the faster of two runs."""
    way = padded(request, 512)
    num_tokens = len(way.places) * request.width

    def run() -> None:
        run_parts(way.parts, "forward", request.scorer.model)

    return num_tokens / min(seconds(run, request.scorer.device)[0] for _ in range(2))


def _harness(request: Request, max_tokens: int) -> tuple[list[ScoringMethod], dict[str, str]]:
    try:
        return [harness(request, max_tokens)], {}
    except MissingExtraError as error:
        return [], {"harness": str(error)}
