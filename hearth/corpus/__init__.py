"""The corpus: everyday how-to English from a seeded grammar.

Two kinds of documents. *Plain* ones say what things are for, how dishes are made, what comes before what, and tell
small stories. *Situations* describe a moment of a plan (the goal, what is in sight, what is in hand) and go on with
the next step; their share is the strongest dial of the finished model.
"""

import random
from collections.abc import Iterator

from hearth.corpus import plain, situations
from hearth.corpus.holdout import leaks

__all__ = ["document", "documents", "leaks"]


def document(rng: random.Random, situation_share: float, wander: float) -> str:
    """One document, free of everything that is held out."""
    while True:
        text = situations.document(rng, wander) if rng.random() < situation_share else plain.document(rng)
        if not leaks(text):
            return text


def documents(seed: int, situation_share: float, wander: float) -> Iterator[str]:
    """An endless stream of documents; the same arguments give the same stream."""
    rng = random.Random(f"hearth {seed}")
    while True:
        yield document(rng, situation_share, wander)
