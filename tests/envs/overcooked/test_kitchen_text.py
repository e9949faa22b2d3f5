import itertools
import re
from collections import defaultdict
from collections.abc import Callable

import pytest

from twosome.envs import text
from twosome.envs.overcooked.env import CHARSET, MAX_PHRASE, MAX_PROMPT, view_observation
from twosome.envs.overcooked.layout import TASKS

SOME_TASKS = ("onion salad", "lettuce-tomato salad", "lettuce-onion-tomato salad")
KITCHENS = [
    *((3, task, "A") for task in SOME_TASKS),
    *(pytest.param((3, task, "A"), marks=pytest.mark.slow) for task in TASKS if task not in SOME_TASKS),
    *((1, "tomato salad", layout) for layout in "ABC"),
    pytest.param((3, "lettuce-tomato salad", "C"), marks=pytest.mark.slow),
]
SOME = [(3, "onion salad", "A"), (3, "lettuce-tomato salad", "A"), *((1, "tomato salad", layout) for layout in "ABC")]
all_kitchens = pytest.mark.parametrize("name", KITCHENS, ids=str)


@all_kitchens
def test_observations_that_call_for_different_actions_never_share_a_prompt(
    explore: Callable, name: tuple[int, str, str]
) -> None:
    kitchen, plan, by_view = explore(*name)
    called_for: dict[str, set[frozenset[int]]] = defaultdict(set)
    for seen, states in by_view.items():
        always_best = frozenset.intersection(*(frozenset(plan.best(state)) for state in states))
        if always_best:
            called_for[view_observation(kitchen, seen).prompt].add(always_best)
    assert len(called_for) > 2
    for prompt, choices in called_for.items():
        for one, other in itertools.combinations(choices, 2):
            assert one & other, prompt


@pytest.mark.parametrize("name", SOME, ids=str)
def test_every_text_fits_its_space_and_reads_on(explore: Callable, name: tuple[int, str, str]) -> None:
    kitchen, _, by_view = explore(*name)
    for seen in by_view:
        prompt, phrases = view_observation(kitchen, seen)[2:]
        assert len(prompt) <= MAX_PROMPT
        assert len(prompt.split()) < 60
        assert prompt.startswith("You want to serve a")
        assert prompt.endswith(". Now you")
        offered = [phrase for phrase in phrases if phrase]
        assert len(offered) == len(set(offered)), "two actions with the same words"
        for phrase in offered:
            assert len(phrase) <= MAX_PHRASE
            assert re.fullmatch(r"[a-z]+( [a-z,]+)*", phrase)
            assert re.search(r"\b(the|a|an)\b", phrase)
        assert set(prompt + "".join(phrases)) <= set(CHARSET)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]|  | \.", " ".join([prompt, *offered]))


@pytest.mark.parametrize("name", SOME, ids=str)
def test_what_is_in_the_bowl_is_said_whenever_the_bowl_is_in_view(
    explore: Callable, name: tuple[int, str, str]
) -> None:
    kitchen, _, by_view = explore(*name)
    for seen in by_view:
        prompt = view_observation(kitchen, seen).prompt
        assert ("bowl" in prompt) == (seen.plate is not None)
        if seen.plate is not None and not seen.in_plate:
            assert "the empty bowl" in prompt or "an empty bowl" in prompt
        if seen.in_plate:
            inside = re.search(r"bowl with (.*?)( on the | beside you|\.)", prompt)
            assert inside is not None
            named = set(re.findall(r"the chopped (\w+)", inside[1]))
            assert named == {kitchen.foods[i] for i in seen.in_plate}


@pytest.mark.parametrize(
    ("name", "actions", "prompt", "phrases"),
    [
        (
            "TomatoSalad",
            [],
            "You want to serve a tomato salad. You see a raw tomato. Your hands are empty. Now you",
            ("pick up the tomato", "take the bowl", "walk to the cutting board", "walk to the serving counter", ""),
        ),
        (
            "TomatoSalad",
            [0, 2],
            "You want to serve a tomato salad. You stand at the cutting board. You see a raw tomato on the cutting "
            "board. Your hands are empty. Now you",
            ("", "take the bowl", "", "walk to the serving counter", "chop the tomato"),
        ),
        (
            "TomatoSalad",
            [0, 2, 4, 0],
            "You want to serve a tomato salad. You stand at the cutting board. You hold the chopped tomato. Now you",
            (
                "",
                "put the chopped tomato in the bowl",
                "carry the tomato to the cutting board",
                "serve the chopped tomato",
                "",
            ),
        ),
        (
            "TomatoLettuceSalad",
            [0, 4, 7, 1, 5, 7, 3, 0],
            "You want to serve a lettuce and tomato salad. You stand at the first cutting board. You see a chopped "
            "lettuce on the second cutting board. You hold the bowl with the chopped tomato. Now you",
            (
                "",
                "put the chopped lettuce in the bowl",
                "put the onion in the bowl",
                "",
                "carry the bowl to the first cutting board",
                "carry the bowl to the second cutting board",
                "serve the bowl",
                "",
            ),
        ),
    ],
)
def test_some_moments_read_as_they_should(name: str, actions: list[int], prompt: str, phrases: tuple[str, ...]) -> None:
    env = text.make(name)
    observation, _ = env.reset()
    for action in actions:
        observation, *_ = env.step(action)
    assert observation["prompt"] == prompt
    assert observation["actions"] == phrases


def test_only_the_salad_that_is_wanted_is_served_by_its_name() -> None:
    env = text.make("TomatoLettuceSalad")
    env.reset()
    for action in [0, 4, 7, 1, 5, 7, 3, 0]:
        observation, *_ = env.step(action)
    assert observation["actions"][6] == "serve the bowl"
    observation, *_ = env.step(1)
    assert observation["actions"][6] == "serve the lettuce and tomato salad"


def test_single_steps_have_the_way_to_everything_in_words() -> None:
    observation, _ = text.make("TomatoSalad", actions="primitive").reset()
    assert observation["prompt"] == (
        "You want to serve a tomato salad. The raw tomato is one step up and one step to the right. The empty bowl is "
        "five steps down and one step to the right. The cutting board is four steps to the left. The serving counter "
        "is two steps down and four steps to the left. Your hands are empty. Now you"
    )
    assert observation["actions"] == ("step to the right", "step down", "step to the left", "", "")
