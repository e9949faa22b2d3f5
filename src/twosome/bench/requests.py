"""What is scored: prompts of a wanted length with a wanted number of action phrases, and decisions of environments."""

from bisect import bisect_right

import numpy as np

from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector
from twosome.scoring import ActionScorer

KITCHEN = (
    "pick up the tomato",
    "pick up the lettuce",
    "pick up the onion",
    "take the bowl",
    "walk to the first cutting board",
    "walk to the second cutting board",
    "walk to the serving counter",
    "chop the tomato",
)
"""What the eight actions of the three-vegetable kitchen are called while the hands are empty."""

_VERBS = (
    "take", "grab", "wash", "clean", "open", "close", "move", "find", "drop", "lift", "hold", "dry",
    "fold", "fill", "empty", "turn",
)  # fmt: skip
_THINGS = (
    "apple", "bread", "bottle", "bowl", "box", "book", "broom", "bucket", "butter", "cake", "carrot", "chair",
    "cheese", "cloth", "coat", "cup", "egg", "fork", "glass", "jar", "kettle", "knife", "lamp", "milk",
    "mug", "onion", "pan", "pear", "pillow", "plate", "pot", "potato", "rope", "shirt", "shoe", "soap",
    "spoon", "towel", "tray", "vase",
)  # fmt: skip
_PLACES = ("shelf", "table", "sink", "stove", "drawer", "basket", "floor", "bed", "desk", "counter")
_ENDING = ("Now", "you")
WORDS = [*dict.fromkeys([*" ".join(KITCHEN).split(), *_VERBS, *_THINGS, *_PLACES, "put", "on", *_ENDING])]
"""All words of the phrases and prompts here."""


def phrases(count: int) -> tuple[str, ...]:
    """So many distinct phrases as a household has them, the kitchen's eight first.

    Then come "wash the cup" and "put the cup on the shelf", for many things and places, in a fixed random order.

    Raises:
        ConfigError: there are not so many.
    """
    made = [f"{verb} the {thing}" for verb in _VERBS for thing in _THINGS]
    for preposition in ("on", "near", "behind", "under", "beside"):
        made += [f"put the {thing} {preposition} the {place}" for thing in _THINGS for place in _PLACES]
    order = np.random.default_rng(0).permutation(len(made))
    # The kitchen's words occur among the others too.
    found = list(dict.fromkeys([*KITCHEN, *(made[i] for i in order)]))
    if not 1 <= count <= len(found):
        raise ConfigError(f"{count} actions are wanted; expected 1 to {len(found)}.")
    return tuple(found[:count])


def unshared_phrases(count: int, num_words: int = 5) -> tuple[str, ...]:
    """Phrases of random words of which no two begin with the same: the worst case for a trie."""
    if count > len(WORDS):
        raise ConfigError(f"{count} phrases with first words of their own are wanted; there are {len(WORDS)} words.")
    rng = np.random.default_rng(1)
    return tuple(" ".join([WORDS[i], *rng.choice(WORDS, num_words - 1)]) for i in range(count))


def decisions(
    scorer: ActionScorer, count: int, prompt_tokens: int, actions: tuple[str, ...], seed: int = 0
) -> list[Decision]:
    """Decisions with prompts of random words that begin with words of their own, all with the same actions.

    A prompt has `prompt_tokens` tokens, or as few less as its words allow.

    Raises:
        ConfigError: the model does not take so many.
    """
    limit = scorer.encoder.max_length
    if limit is not None and prompt_tokens >= limit:
        # Said before so many words are made of tokens again and again.
        raise ConfigError(
            f"prompts of {prompt_tokens} tokens are wanted; the model takes at most {limit}, their actions among them."
        )
    rng = np.random.default_rng(seed)
    made = []
    for i in range(count):
        words = [WORDS[i % len(WORDS)], *rng.choice(WORDS, prompt_tokens)]
        made.append(Decision(_of_length(scorer, words, prompt_tokens), actions))
    return made


def _of_length(scorer: ActionScorer, words: list[str], prompt_tokens: int) -> str:
    def of(num_words: int) -> str:
        return " ".join([*words[:num_words], *_ENDING])

    def length(num_words: int) -> int:
        return len(scorer.tokenizer(of(num_words), verbose=False)["input_ids"])

    return of(max(0, bisect_right(range(len(words)), prompt_tokens, key=length) - 1))


def env_decisions(env: str, count: int, seed: int = 0) -> list[Decision]:
    """At most so many distinct decisions, in the order in which random play meets them in four environments.

    Fewer where an environment does not have so many.
    """
    gamma = text.gamma_of(env, {})
    rng = np.random.default_rng(seed)
    found: dict[Decision, None] = {}
    with Collector(lambda: text.make(env), 4, gamma, seed) as collector:
        for _ in range(20):
            rollout = collector.collect(Uniform(), 32, rng)
            found.update(dict.fromkeys(decision for row in rollout.decisions for decision in row))
            if len(found) >= count:
                break
    return list(found)[:count]
