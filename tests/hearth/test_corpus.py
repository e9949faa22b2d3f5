import itertools
import json
import random
from importlib import resources

import pytest

from hearth.corpus import documents, leaks
from hearth.corpus.grammar import YOU, Voice, a
from hearth.corpus.plans import FAMILIES
from hearth.corpus.situations import document
from hearth.leakage import PLANS, Detector, task_names, task_prompts
from twosome.envs.household.panel import PANEL_FILE
from twosome.models import path

SITUATIONS, WANDER = 0.5, 0.15


def sample(seed: int, count: int) -> list[str]:
    return list(itertools.islice(documents(seed, SITUATIONS, WANDER), count))


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(task_prompts(episodes=8))


def test_the_same_seed_gives_the_same_documents_and_another_seed_others():
    assert sample(3, 300) == sample(3, 300)
    assert sample(3, 300) != sample(4, 300)


def test_no_document_holds_a_prompt_or_a_plan_of_a_task(detector):
    assert not [text for text in sample(0, 12_000) if detector.finds(text)]


@pytest.mark.slow
def test_the_whole_corpus_of_the_shipped_model_holds_no_prompt_and_no_plan():
    report = json.loads((path("hearth") / "measurements.json").read_text())
    recipe, detector = report["recipe"], Detector(task_prompts(episodes=30))
    stream = documents(recipe["seed"], recipe["situations"], recipe["wander"])
    assert not [text for text in itertools.islice(stream, report["documents"]) if detector.finds(text)]


def test_the_detector_finds_every_prompt_even_between_other_sentences():
    prompts = task_prompts(episodes=2, seed=5)
    detector = Detector(prompts)
    assert len(prompts) > 100
    assert all(detector.finds(f"It rains today. {prompt} wait.") for prompt in prompts)


def test_the_detector_finds_a_plan_told_in_any_person(detector):
    for steps in PLANS.values():
        for voice in (YOU, Voice("she", "she", "her"), Voice("I", "I", "my", past=True)):
            told = " ".join(f"Then {voice.pronoun} {voice.verb(step)}." for step in steps)
            assert detector.finds(told)
            assert not detector.finds(told.split(".")[0] + ".")


def test_prompts_are_collected_from_every_registered_task():
    goals = {prompt.split(". ")[0] for prompt in task_prompts(episodes=1)}
    for name in ("pancake", "cheese", "hamburger", "apple pie", "pizza"):
        assert f"You want to warm up the {name} in the microwave" in goals
    assert {"TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment", "Laundry"} <= set(task_names())


@pytest.mark.parametrize(
    "text",
    [
        "She puts the pancake in the microwave.",
        "You want to clean the plate in the dishwasher.",
        "The clothes are in the washing machine.",
        "He takes a bowl. He chopped the onion.",
        "Put the milk next to the sofa and watch TV.",
        "You put away the apple in the fridge.",
    ],
)
def test_combinations_of_the_tasks_are_held_out(text):
    assert leaks(text)


def test_nouns_of_the_tasks_occur_often_all_the_same():
    text = " ".join(sample(1, 12_000)).lower()
    for noun in (
        "tomato",
        "lettuce",
        "onion",
        "pancake",
        "cheese",
        "hamburger",
        "apple pie",
        "pizza",
        "plate",
        "clothes",
    ):
        assert text.count(noun) > 100, noun
    for noun in (
        "chips",
        "milk",
        "microwave",
        "dishwasher",
        "washing machine",
        "coffee table",
        "sofa",
        "cutting board",
    ):
        assert text.count(noun) > 100, noun


@pytest.mark.parametrize("make", FAMILIES, ids=lambda make: make.__name__)
def test_a_plan_puts_down_only_what_is_in_hand_and_grabs_only_with_a_thing_beside(make):
    for seed in range(200):
        for moment in make(random.Random(seed)).moments:
            if moment.step.startswith("put "):
                assert any(thing in moment.step for thing in moment.hands)
            if moment.step.startswith("open "):
                assert (moment.step.removeprefix("open "), "closed") in moment.facts


def test_straying_is_as_frequent_as_the_dial_says():
    rng = random.Random(0)
    steady = [document(rng, 0.0) for _ in range(300)]
    astray = [document(rng, 1.0) for _ in range(300)]
    assert max(text.count(". ") for text in steady) > max(text.count(". ") for text in astray)


def test_verbs_follow_person_and_tense():
    she, past = Voice("she", "she", "her"), Voice("I", "I", "my", past=True)
    assert [she.verb(v) for v in ("carry it", "wash it", "have it", "buy it", "be")] == [
        "carries it",
        "washes it",
        "has it",
        "buys it",
        "is",
    ]
    assert [past.verb(v) for v in ("carry it", "chop it", "close it", "be")] == [
        "carried it",
        "chopped it",
        "closed it",
        "was",
    ]
    assert (a("apple"), a("cup"), a("chips"), a("carrot soup")) == (
        "an apple",
        "a cup",
        "some chips",
        "some carrot soup",
    )


def test_the_combinations_of_the_fixed_household_panel_are_held_out():
    panel = json.loads((resources.files("twosome.envs.household") / PANEL_FILE).read_text())
    assert len(panel) == 50
    for task in panel:
        if task["kind"] == "put in":
            assert leaks(f"You put the {task['item']} in the {task['container']}.")
        if task["kind"] == "put on":
            assert leaks(f"You put the {task['item']} on the {task['surface']}.")
