"""Proof that the corpus holds no prompt and no plan of the tasks.

The prompts are collected by playing the registered environments at random. Two things must be absent from every
document: the sentence that states a task's goal (which begins each of its prompts), and the description that follows
it, unless that is short and general. And no document may go through a task's plan, in any person or tense.
"""

import random
import re
from collections.abc import Iterable

import gymnasium

import twosome.envs  # noqa: F401  (registers the environments)
from hearth.corpus.grammar import YOU, Voice

PLAN_VOICES = (YOU, Voice("she", "she", "her"), Voice("I", "I", "my", past=True))
SHORT = 12
"""Descriptions of at most so many words may be shared: "You are in the bedroom. Your hands are empty."."""
SHARED_GOALS = ("You want to put ", "You want to switch on ")
"""Goals of the randomly drawn household tasks that are for training; for them the whole prompt must be absent."""
PLANS = {
    "TomatoSalad": (
        "pick up the tomato",
        "chop the tomato",
        "put the chopped tomato in the bowl",
        "serve the tomato salad",
    ),
    "TomatoLettuceSalad": ("chop the tomato", "chop the lettuce", "serve the tomato and lettuce salad"),
    "FoodPreparation": (
        "grab the pancake",
        "open the microwave",
        "put the pancake in the microwave",
        "close the microwave",
    ),
    "Entertainment": ("grab the chips", "grab the milk", "switch on the TV", "sit down on the sofa"),
}
"""The steps of each plan that make it the plan; their order is left open, so that any order counts."""


FAMILIES = ("twosome.envs.overcooked", "twosome.envs.household")


def task_names() -> list[str]:
    """The tasks of the kitchens and the household, without namespace and version: what the model is measured on."""
    specs = [spec for spec in gymnasium.registry.values() if spec.namespace == "twosome"]
    return sorted(spec.name for spec in specs if str(spec.entry_point).startswith(FAMILIES))


def task_prompts(episodes: int = 20, seed: int = 0) -> set[str]:
    """The prompts met in ``episodes`` random episodes of every registered environment."""
    rng, prompts = random.Random(seed), set()
    for name in task_names():
        env = gymnasium.make(f"twosome/{name}-v0")
        for episode in range(episodes):
            observation, _ = env.reset(seed=episode)
            over = False
            while not over:
                prompts.add(observation["prompt"])
                ids = [i for i, phrase in enumerate(observation["actions"]) if phrase]
                observation, _, terminated, truncated, _ = env.step(rng.choice(ids))
                over = terminated or truncated
    return prompts


def sentences(text: str) -> list[str]:
    """The sentences of ``text``, with their final marks."""
    return re.findall(r"[^.?!]+[.?!]", text)


def _tells_plan(steps: Iterable[str]) -> re.Pattern[str]:
    """Matches a text that has all ``steps``, in any order, person and tense."""
    told = ("|".join(re.escape(voice.verb(step)) for voice in PLAN_VOICES) for step in steps)
    return re.compile("".join(f"(?=.*(?:{one}))" for one in told), re.DOTALL)


class Detector:
    """Finds prompts and plans of the tasks in texts.

    Args:
        prompts: prompts of the tasks, as from `task_prompts`.
    """

    def __init__(self, prompts: Iterable[str]) -> None:
        parts = [[part.strip() for part in sentences(prompt)] for prompt in prompts]
        own = [whole for whole in parts if not whole[0].startswith(SHARED_GOALS)]
        self.goals = {goal for goal, *_ in own}
        self.passages = {tuple(rest) for _, *rest in own if len(" ".join(rest).split()) > SHORT}
        self.passages |= {tuple(whole) for whole in parts}
        self.lengths = {len(passage) for passage in self.passages}
        self.plans = [_tells_plan(steps) for steps in PLANS.values()]

    def finds(self, text: str) -> bool:
        """Whether ``text`` holds a goal sentence, a longer description from a prompt, or a plan."""
        parts = tuple(part.strip() for part in sentences(text))
        if not self.goals.isdisjoint(parts):
            return True
        if any(parts[i : i + n] in self.passages for n in self.lengths for i in range(len(parts))):
            return True
        return any(plan.match(text) for plan in self.plans)
