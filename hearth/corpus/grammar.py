"""Voices, verbs and lists: the small machinery that turns a plan into English sentences."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from hearth.corpus.words import words

PAST = dict(
    pair.split()
    for pair in words(
        "am was, are were, is was, be was, bring brought, chop chopped, close closed, cut cut, dry dried, eat ate, "
        "feel felt, find found, get got, give gave, go went, grab grabbed, have had, hold held, keep kept, buy "
        "bought, lay laid, leave left, lie lay, make made, need needed, plan planned, put put, read read, see saw, "
        "set set, shut shut, sit sat, slice sliced, stand stood, stir stirred, take took, tidy tidied, try tried, "
        "carry carried, drink drank, drop dropped, fry fried, sleep slept, step stepped, sweep swept, feed fed, wear "
        "wore, do did, can could, will would, know knew, think thought"
    )
)
"""Irregular verbs."""


@dataclass(frozen=True)
class Voice:
    """Who tells the story, and when.

    Args:
        subject: "you", "I", "she" or a name, as in the middle of a sentence.
        pronoun: what stands for the subject from the second sentence on.
        possessive: "your", "my", "her", "his".
        past: past tense instead of present tense.
    """

    subject: str
    pronoun: str
    possessive: str
    past: bool = False

    @property
    def third(self) -> bool:
        """Whether the present tense takes an s."""
        return self.pronoun in ("she", "he", "it")

    def verb(self, phrase: str) -> str:
        """The verb phrase ``phrase`` (infinitive without to) for this voice, without its subject."""
        first, _, rest = phrase.partition(" ")
        return (self._conjugate(first) + " " + rest).rstrip()

    def _conjugate(self, verb: str) -> str:
        if verb == "be" and self.pronoun != "it":
            if self.past:
                return "were" if self.pronoun == "you" else "was"
            return {"you": "are", "I": "am"}.get(self.pronoun, "is")
        if self.past:
            return PAST.get(verb) or (verb + "d" if verb.endswith("e") else verb + "ed")
        if not self.third or verb in ("can", "will"):
            return verb
        if verb in ("have", "be"):
            return {"have": "has", "be": "is"}[verb]
        if verb.endswith(("ch", "sh", "ss", "x", "go", "do")):
            return verb + "es"
        if verb.endswith("y") and verb[-2] not in "aeou":
            return verb[:-1] + "ies"
        return verb + "s"

    def be(self, plural: bool = False) -> str:
        """The copula for things: is, are, was, were."""
        if self.past:
            return "were" if plural else "was"
        return "are" if plural else "is"


YOU = Voice("you", "you", "your")
NAMES = (
    ("Anna", "she", "her"),
    ("Tom", "he", "his"),
    ("Mia", "she", "her"),
    ("Ben", "he", "his"),
    ("Lily", "she", "her"),
    ("the girl", "she", "her"),
    ("the man", "he", "his"),
    ("my mother", "she", "her"),
)


def some_voice(rng: random.Random, you: float = 0.5) -> Voice:
    """A random voice, which is "you" in the present tense with probability ``you``."""
    if rng.random() < you:
        return YOU
    past = rng.random() < 0.5
    if rng.random() < 0.3:
        return Voice("I", "I", "my", past)
    if rng.random() < 0.15:
        return Voice("you", "you", "your", past)
    return Voice(*rng.choice(NAMES), past)


def cap(text: str) -> str:
    """``text`` with a capital letter in front."""
    return text[:1].upper() + text[1:]


def join(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


PLURALS = words(
    "chips, clothes, socks, towels, shoes, eggs, beans, keys, curtains, grapes, cookies, nuts, peas, glasses, flowers, "
    "toys, stairs"
)
MASS = words(
    "milk, bread, cheese, tea, coffee, juice, soup, rice, butter, water, lettuce, soap, honey, jam, salt, laundry, "
    "lemonade, food, cake, popcorn"
)


def is_plural(noun: str) -> bool:
    """Whether ``noun`` takes are."""
    return noun.rsplit(" ", 1)[-1] in PLURALS


def a(noun: str) -> str:
    """``noun`` with its indefinite article, or with some where English wants that."""
    if is_plural(noun) or noun.split(" ")[-1] in MASS:
        return "some " + noun
    return ("an " if noun[0] in "aeiou" else "a ") + noun
