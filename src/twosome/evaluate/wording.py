"""What prompts and phrases say by themselves: words that are missing, phrases that are alike; and what is found."""

import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.errors import quote

Floats = NDArray[np.float64]

UNNAMED = 0.2
"""Fewer of the phrases' nouns than this share stand in the prompts: the goal's objects are not named."""
_ARTICLES = ("the", "a", "an")
_SMALL = {
    *("to", "in", "into", "on", "onto", "at", "of", "off", "from", "with", "over", "under", "and", "or"),
    *("it", "my", "your", "this", "that", "another", "one", "some", "all", "each", "every", "no", *_ARTICLES),
    *("left", "right", "up", "down", "north", "south", "east", "west", "forward", "back", "backward", "away", "out"),
}
"""Words before which no article is missing."""
SENTENCE_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")


@dataclass
class Finding:
    """Something to mend, or to know."""

    code: str  # stable; "" where a message is all that there is
    effect: float | None  # how far the untrained policy would move, from 0 to 1; None where that cannot be measured
    measured: str  # expected and found, with the numbers, and with the place where it was met first
    remedy: str  # what to do; "" where `measured` says it
    times: int = 1  # how often it was met


def unnamed(decisions: Sequence[Decision]) -> list[Finding]:
    """Principle 3: what is wanted is named in the prompt."""
    shares = []
    missing: dict[str, int] = {}
    for decision in decisions:
        prompt = set(re.findall(r"\w+", decision.prompt.lower()))
        nouns = {
            word for phrase in decision.actions for word in re.findall(r"\w+", phrase.lower())[1:] if word not in _SMALL
        }
        if nouns:
            shares.append(len(nouns & prompt) / len(nouns))
            for word in nouns - prompt:
                missing[word] = missing.get(word, 0) + 1
    if not shares or statistics.fmean(shares) >= UNNAMED:
        return []
    common = sorted(missing, key=lambda word: -missing[word])[:4]
    return [
        Finding(
            "goal-unnamed",
            None,
            f"Of the words of the phrases (without their first) {statistics.fmean(shares):.0%} stand in the prompt "
            f"too; missing are {quote(', '.join(common))}.",
            "Name in the prompt what is wanted and what is there, in the words of the phrases.",
        )
    ]


def constant(decisions: Sequence[Decision]) -> list[Finding]:
    """Principle 4: the same action may be worded to fit its state."""
    worded: dict[int, set[str]] = {}
    for decision in decisions:
        for action in decision.available:
            worded.setdefault(action, set()).add(decision.actions[action])
    if len(decisions) < 2 or any(len(phrases) > 1 for phrases in worded.values()):
        return []
    return [
        Finding(
            "wording-constant",
            None,
            f"Each of the {len(worded)} actions has the same phrase in all of {len(decisions)} sampled states.",
            "Where an action means something else in another state, word it so: *put the tomato in the bowl* while the "
            "bowl is carried. If it always means the same, all is well.",
        )
    ]


def distance(rows: Sequence[Floats], others: Sequence[Floats]) -> float:
    """Mean total variation distance between two policies at the same decisions."""
    return statistics.fmean(float(np.abs(a - b).sum() / 2) for a, b in zip(rows, others, strict=True))


def correlation(first: Floats, second: Floats, available: NDArray[np.bool_]) -> float | None:
    """Pearson's, of what differs within decisions; None where nothing does."""
    parts = [
        (a[mask] - a[mask].mean(), b[mask] - b[mask].mean())
        for a, b, mask in zip(first, second, available, strict=True)
        if mask.sum() > 1
    ]
    a, b = (np.concatenate(side) for side in zip(*parts, strict=True))
    spread = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / spread if spread > 1e-9 else None


def with_articles(phrase: str) -> list[str]:
    """The phrase with an article before one of its words, where none stands."""
    words = phrase.split()
    found = []
    for place in range(1, len(words)):
        if words[place].lower() in _SMALL or words[place - 1].lower() in _ARTICLES:
            continue
        for article in ("the", "an" if words[place][0].lower() in "aeiou" else "a"):
            found.append(" ".join([*words[:place], article, *words[place:]]))
    return found


def plain(phrase: str) -> str:
    """What of a phrase makes a difference."""
    return " ".join(phrase.lower().split())
