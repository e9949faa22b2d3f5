"""The kitchen without the principles for prompts: the text differs as it should, and nothing else does."""

import dataclasses
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from benchmarks.prompt_worlds import VARIANTS, examples
from twosome.config import TrainConfig
from twosome.envs import planner_for, text
from twosome.experiment.grid import read_grid

ROOT = Path(__file__).parents[3]
MODULE = "benchmarks.prompt_worlds"
GOAL = "You want to serve a tomato salad. "
every_variant = pytest.mark.parametrize("name", VARIANTS)


def giving_up(principle: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", [name for name, without in VARIANTS.items() if principle in without])


class FilmFrame(NamedTuple):
    """What both environments say of one moment, and what both planners would do."""

    usual: tuple[Any, ...]
    reworded: tuple[Any, ...]
    plans: tuple[int, int]

    @property
    def prompts(self) -> tuple[str, str]:
        return self.usual[0]["prompt"], self.reworded[0]["prompt"]

    @property
    def phrases(self) -> list[tuple[int, str, str]]:
        """Id and both phrases of each valid action."""
        pairs = zip(self.usual[0]["actions"], self.reworded[0]["actions"], strict=True)
        return [(i, one, other) for i, (one, other) in enumerate(pairs) if one]


@pytest.fixture(scope="module")
def played() -> dict[str, list[FilmFrame]]:
    """An episode of the planner, then random ones with a few invalid actions, in all environments alike."""
    envs = [text.make("TomatoSalad"), *(text.make(f"{MODULE}:{name}") for name in VARIANTS)]
    planners = [planner_for(env) for env in envs]
    rng = np.random.default_rng(0)
    moments: dict[str, list[FilmFrame]] = {name: [] for name in VARIANTS}
    for episode in range(6):
        results: list[tuple[Any, ...]] = [env.reset(seed=episode) for env in envs]
        over = False
        while not over:
            plan, *plans = [planner.act() for planner in planners]
            offered = results[0][-1]["action_mask"]
            ids = np.flatnonzero(offered) if rng.random() < 0.9 else np.arange(len(offered))
            action = int(rng.choice(ids)) if episode else plan
            for name, reworded, other in zip(VARIANTS, results[1:], plans, strict=True):
                moments[name].append(FilmFrame(results[0], reworded, (plan, other)))
            results = [env.step(action) for env in envs]
            over = results[0][2] or results[0][3]
        for name, reworded in zip(VARIANTS, results[1:], strict=True):
            moments[name].append(FilmFrame(results[0], reworded, (-1, -1)))
    return moments


@every_variant
def test_it_keeps_the_contract(name):
    env = text.make(f"{MODULE}:{name}")
    text.check_contract(env, num_steps=50)
    assert env.unwrapped.gamma == text.make("TomatoSalad").unwrapped.gamma
    assert env.unwrapped.action_names == text.make("TomatoSalad").unwrapped.action_names


@every_variant
def test_the_same_actions_have_the_same_effects(played, name):
    successes = 0
    for moment in played[name]:
        (usual, *effects, info), (reworded, *other_effects, other_info) = moment.usual, moment.reworded
        assert effects == other_effects
        assert json.dumps(info, default=np.ndarray.tolist) == json.dumps(other_info, default=np.ndarray.tolist)
        assert np.array_equal(usual["vector"], reworded["vector"])
        assert moment.plans[0] == moment.plans[1]
        assert [bool(phrase) for phrase in usual["actions"]] == [bool(phrase) for phrase in reworded["actions"]]
        successes += info.get("success", False)
    assert successes > 1


@every_variant
def test_what_could_be_told_apart_still_can(played, name):
    env = text.make(f"{MODULE}:{name}")
    usual_of: dict[str, set[str]] = defaultdict(set)
    for moment in played[name]:
        usual, reworded = moment.prompts
        usual_of[reworded].add(usual)
        phrases = [phrase for _, _, phrase in moment.phrases]
        assert len(phrases) == len(set(phrases))
        assert moment.reworded[0] in env.observation_space
    assert len(usual_of) > 10
    assert all(len(prompts) == 1 for prompts in usual_of.values())


@giving_up("articles")
def test_no_article_is_left(played, name):
    for moment in played[name]:
        for words in (moment.prompts[1], *moment.reworded[0]["actions"]):
            assert not re.search(r"\b(a|an|the)\b", words, re.IGNORECASE)


@giving_up("goal")
def test_the_prompt_does_not_say_what_is_wanted(played, name):
    for moment in played[name]:
        assert not re.search(r"\b(want|serve|salad)\b", moment.prompts[1])


@giving_up("wording")
def test_an_action_is_called_the_same_in_every_state(played, name):
    called: dict[int, set[str]] = defaultdict(set)
    for moment in played[name]:
        for action, _, phrase in moment.phrases:
            called[action].add(phrase)
    assert {action: len(phrases) for action, phrases in called.items()} == dict.fromkeys(range(5), 1)


@giving_up("opening")
def test_the_prompt_ends_as_a_sentence_does(played, name):
    for moment in played[name]:
        assert moment.prompts[1].endswith("Now you do something.")


def test_without_articles_all_other_words_stay(played):
    articles = {"a", "an", "the"}
    for moment in played["NoArticles"]:
        for usual, reworded in (moment.prompts, *(phrases for _, *phrases in moment.phrases)):
            assert reworded.split() == [word for word in usual.split() if word not in articles]


def test_without_the_goal_all_other_sentences_and_the_phrases_stay(played):
    for moment in played["NoGoal"]:
        usual, reworded = moment.prompts
        assert usual == GOAL + reworded
        assert all(one == other for _, one, other in moment.phrases)


def test_fixed_words_are_those_for_empty_hands_and_the_prompt_stays(played):
    of_empty_hands: dict[int, set[str]] = defaultdict(set)
    replaced: dict[int, set[str]] = defaultdict(set)
    for moment in played["FixedWording"]:
        usual, reworded = moment.prompts
        assert usual == reworded
        for action, one, other in moment.phrases:
            if "Your hands are empty." in usual:
                of_empty_hands[action].add(one)
            if one != other:
                replaced[action].add(one)
    for action, _, fixed in (pair for moment in played["FixedWording"] for pair in moment.phrases):
        assert fixed in of_empty_hands[action]
    assert {"put the chopped tomato in the bowl", "walk to the bowl"} <= replaced[1]
    assert {"put the tomato in the bowl", "pick up the chopped tomato"} <= replaced[0]
    assert "serve the tomato salad" in replaced[3]


def test_a_closed_prompt_differs_in_its_end_alone(played):
    for moment in played["ClosedPrompt"]:
        usual, reworded = moment.prompts
        assert reworded == f"{usual} do something."
        assert all(one == other for _, one, other in moment.phrases)


def test_without_its_opening_a_prompt_ends_a_sentence_earlier(played):
    for moment in played["NoOpening"]:
        usual, reworded = moment.prompts
        assert usual == f"{reworded} Now you"
        assert reworded.endswith(".")
        assert all(one == other for _, one, other in moment.phrases)


def test_all_four_is_each_of_them_after_another(played):
    for bare, fixed, all_four in zip(played["NoArticles"], played["FixedWording"], played["AllFour"], strict=True):
        prompt = bare.prompts[1].removeprefix("You want to serve tomato salad. ")
        assert all_four.prompts[1] == f"{prompt} do something."
        phrases = (re.sub(r"\bthe ", "", phrase) for phrase in fixed.reworded[0]["actions"])
        assert all_four.reworded[0]["actions"] == tuple(phrases)


def test_the_experiment_differs_in_its_environments_alone():
    grid = read_grid(ROOT / "benchmarks" / "experiments" / "prompts.toml")
    usual = TrainConfig(env="TomatoSalad", normalization="word")
    for cell in grid.cells:
        same = dataclasses.replace(cell.config, env=usual.env, seed=usual.seed, output=None)
        assert same == usual
    assert {cell.env for cell in grid.cells} == {"TomatoSalad", *(f"{MODULE}:{name}" for name in VARIANTS)}
    assert {(cell.env, policy) for cell in grid.cells for policy in ("random", "planner")} == {
        (reference.env, reference.policy) for reference in grid.references
    }


def test_the_page_shows_what_the_environments_say():
    assert f"\n{examples()}\n" in (ROOT / "docs" / "claims" / "prompts.md").read_text()
