"""TomatoSalad in other words: each of the paper's four principles for prompts given up alone, and all four together.

    twosome train --env benchmarks.prompt_worlds:NoArticles --total-steps 10000  # from the repository's root
    twosome experiment benchmarks/experiments/prompts.toml --trust-env-module
    python benchmarks/prompt_worlds.py  # prints the examples of docs/claims/prompts.md

Rules, rewards, offered actions, symbolic observation, pictures and planner are those of `twosome/TomatoSalad-v0`; only
`"prompt"` and `"actions"` read otherwise. What each principle is about: Tan et al., 2024 (arXiv:2401.14151), on
prompt design.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import gymnasium
from gymnasium.envs.registration import EnvCreator

from twosome.envs import text
from twosome.envs.base import EnvObservation
from twosome.envs.overcooked.env import KitchenEnv

OPENING, CLOSED = "Now you", "Now you do something."  # in words that `hearth` has read
GOAL = "You want to serve a tomato salad. "
EMPTY_HANDED: Mapping[str, str] = {
    "get tomato": "pick up the tomato",
    "get plate 1": "take the bowl",
    "go to knife 1": "walk to the cutting board",
    "deliver": "walk to the serving counter",
    "chop": "chop the tomato",
}
"""What TomatoSalad calls each action, by its name, while nothing is in hand and the tomato is raw."""
ARTICLE = re.compile(r"\b(?:a|an|the) ")

VARIANTS: Mapping[str, Sequence[str]] = {
    "NoArticles": ("articles",),
    "NoGoal": ("goal",),
    "FixedWording": ("wording",),
    "ClosedPrompt": ("opening",),
    "NoOpening": ("opening, bare",),
    "AllFour": ("articles", "goal", "wording", "opening"),
}
"""Name of each registered environment (without "-v0") to the principles that it gives up."""


class RewordedKitchen(KitchenEnv):
    """TomatoSalad without some of the principles for prompts.

    Args:
        without: what is given up: "articles", "goal" (the sentence that says what is wanted), "wording" (that an action
            is worded to fit the state) and "opening" (that the prompt is a sentence which the phrase completes: it is
            closed, or with "opening, bare" left out).
        render_mode: None, "ansi" or "rgb_array".
    """

    def __init__(self, without: Sequence[str], render_mode: str | None = None) -> None:
        self.without = frozenset(without)  # before the rest, which looks at an observation
        super().__init__(render_mode=render_mode)

    def _observe(self) -> EnvObservation:
        usual = super()._observe()
        prompt, phrases = usual.prompt, usual.phrases
        if "goal" in self.without:
            prompt = prompt.removeprefix(GOAL)
        if "wording" in self.without:
            pairs = zip(self.action_names, phrases, strict=True)
            phrases = tuple(EMPTY_HANDED[name] if phrase else "" for name, phrase in pairs)
        if "opening" in self.without:
            prompt = prompt.removesuffix(OPENING) + CLOSED
        if "opening, bare" in self.without:
            prompt = prompt.removesuffix(f" {OPENING}")
        if "articles" in self.without:
            prompt, phrases = ARTICLE.sub("", prompt), tuple(ARTICLE.sub("", phrase) for phrase in phrases)
        return usual._replace(prompt=prompt, phrases=phrases)


for _name, _without in VARIANTS.items():
    gymnasium.register(f"{_name}-v0", cast(EnvCreator, RewordedKitchen), kwargs={"without": _without})

MOMENT = ("get tomato", "go to knife 1", "chop", "get plate 1")
"""The way to a moment in which every variant shows: the bowl is in hand, the chopped tomato lies on the board."""


def examples() -> str:
    """The same moment in every variant, as Markdown."""
    blocks = []
    for name in ("TomatoSalad", *VARIANTS):
        env: Any = text.make(name).unwrapped
        seen, _ = env.reset(seed=0)
        for action in MOMENT:
            seen, *_ = env.step(env.action_names.index(action))
        phrases = " · ".join(f"*{phrase}*" for phrase in seen["actions"] if phrase)
        prompt = seen["prompt"] if seen["prompt"].endswith(".") else f"{seen['prompt']} …"
        blocks.append(f"`{name}`\n\n> {prompt}\n> {phrases}")
    return "\n\n".join(blocks)


if __name__ == "__main__":
    print(examples())
