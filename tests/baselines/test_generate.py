"""Generate and parse: what a text says, the loss of its tokens, and a run of it in an experiment."""

import json

import pytest
import torch

import tests.environments
from tests.scoring.tiny_models import byte_level, llama
from twosome.baselines.config import GenerateConfig
from twosome.baselines.generate import WritingPolicy, around, said, train_generate, written_loss
from twosome.baselines.writing import Written
from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import CheckedEnv
from twosome.errors import ConfigError
from twosome.experiment.baseline import learn_and_measure
from twosome.scoring import ActionScorer
from twosome.scoring.naive import naive_token_log_probs

assert tests.environments  # registers the environments

ACTIONS = ("wait", "", "pick up the cup", "pick up the cup of tea", "don't move", "go to St. Mary's")


@pytest.mark.parametrize(
    ("written", "action"),
    [
        ("wait", 0),
        (" Wait.", 0),
        ("\twait and see", 0),
        ("waiting", None),
        ("to wait", None),
        ("", None),
        (" pick  up the Cup\n", 2),
        ("pick up the cup of", 2),
        ("pick up the cup of tea.", 3),
        ("pick up the cups", None),
        ("DON'T MOVE!", 4),
        ("go to St. Mary's", 5),
    ],
)
def test_a_text_says_the_longest_phrase_that_it_begins_with(written, action):
    assert said(written, ACTIONS) == action


def scorer() -> ActionScorer:
    return ActionScorer(llama(), byte_level(), method="naive")


def by_definition(model, texts, advantages, clip):
    """The surrogate, token by token, one text at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for written, advantage in zip(texts, advantages, strict=True):
        logp = naive_token_log_probs(model, written.prompt, written.tokens, torch.device("cpu"))
        for new, old in zip(logp, written.logp, strict=True):
            ratio = (new - old).exp()
            total = total + torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)
    return -total / len(texts)


def test_loss_and_gradient_are_the_clipped_ratio_of_each_token_times_the_advantage_of_its_action():
    mine = scorer()
    texts = []
    for prompt, tokens in (((5, 6, 7), (1, 2, 3)), ((5, 6, 7), (1, 4)), ((8, 9), (3,)), ((8, 9), (2, 2, 5))):
        logp = naive_token_log_probs(mine.model, prompt, tokens, torch.device("cpu")).detach()
        # Ratios within the interval, above and below it.
        texts.append(Written(prompt, tokens, tuple((logp + torch.tensor([0.05, -0.5, 0.5])[: len(tokens)]).tolist())))
    advantages = torch.tensor([1.0, -2.0, 0.5, 3.0])
    loss = written_loss(mine, texts, advantages, clip=0.2, entropy_coef=0.0).loss
    torch.autograd.backward(loss)
    found = [parameter.grad.clone() for parameter in mine.model.parameters()]
    mine.model.zero_grad()
    expected = by_definition(mine.model, texts, advantages.tolist(), 0.2)
    torch.autograd.backward(expected)
    torch.testing.assert_close(loss, expected)
    for a, parameter in zip(found, mine.model.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, rtol=1e-4, atol=1e-4)


def test_before_the_first_step_the_gradient_is_that_of_the_texts_probability():
    mine = scorer()
    prompt, tokens = (5, 6, 7), (1, 2, 3)
    logp = naive_token_log_probs(mine.model, prompt, tokens, torch.device("cpu"))
    texts = [Written(prompt, tokens, tuple(logp.tolist()))]
    torch.autograd.backward(written_loss(mine, texts, torch.tensor([2.0]), clip=0.2, entropy_coef=0.0).loss)
    found = [parameter.grad.clone() for parameter in mine.model.parameters()]
    mine.model.zero_grad()
    torch.autograd.backward(-2 * logp.sum())
    for a, parameter in zip(found, mine.model.parameters(), strict=True):
        torch.testing.assert_close(a, parameter.grad, rtol=1e-4, atol=1e-4)


def config(**changes) -> GenerateConfig:
    return GenerateConfig(**{"env": "FoodPreparation", "total_steps": 128, **changes})


class Fixed(WritingPolicy):
    """Writes what it is told to."""

    def __init__(self, *texts: str) -> None:
        super().__init__(scorer(), config())
        self.texts = texts

    def write(self, observations):
        return [Written((1,), tuple(self.scorer.tokenizer(text)["input_ids"]), ()) for text in self.texts]


def test_what_is_written_is_done_and_what_is_not_valid_loses_the_step():
    decision = Decision("Now you", ("wait", "", "sit down", ""))
    rows = Fixed(" sit down", " put the plate down", "wait!").probabilities([decision] * 3)
    assert [row.tolist() for row in rows] == [[0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]]


def test_a_mark_within_a_valid_phrase_ends_nothing():
    policy = WritingPolicy(scorer(), config())
    full_stop, new_line = (policy.scorer.tokenizer(mark)["input_ids"][0] for mark in ".\n")
    for phrase, ends in (("wait", True), ("go to St. Mary's", False)):
        _, found = policy._read_prompt(Decision("Now you", (phrase,)))
        assert (full_stop in found) is ends
        assert new_line in found


def test_the_valid_actions_are_in_the_prompt_where_they_are_to_be():
    decision = Decision("Your hands are empty. Now you", ("wait", "", "sit down"))
    prompts = [
        WritingPolicy(scorer(), config(list_actions=listed))._read_prompt(decision)[0] for listed in (False, True)
    ]
    assert [byte_level().decode(prompt) for prompt in prompts] == [
        "Your hands are empty. Now you",
        "Your hands are empty. You can wait or sit down. Now you",
    ]


def test_a_run_says_how_much_was_invalid_and_is_measured_where_steps_are_lost(tmp_path):
    learn_and_measure(tmp_path / "run", config(total_steps=16, num_envs=4, rollout_steps=2), episodes=1, seed=0)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["decisions"] for row in rows] == [8, 16]
    assert all(0 <= row["invalid_share"] <= 1 for row in rows)
    assert json.loads((tmp_path / "run" / "evaluation.json").read_text())["length_mean"] <= 50


class Silent:
    """A record that keeps nothing."""

    def __call__(self, decisions, rollout, **numbers): ...

    def summary(self, decisions, episodes): ...


def test_the_weights_have_the_type_that_is_asked_for_and_what_is_learned_is_in_float32():
    policy = train_generate(config(total_steps=8, num_envs=4, rollout_steps=2, dtype="bfloat16"), Silent())
    kinds = {parameter.requires_grad: parameter.dtype for parameter in policy.scorer.model.parameters()}
    assert kinds == {False: torch.bfloat16, True: torch.float32}


def test_a_rollout_that_does_not_divide_is_refused():
    with pytest.raises(ConfigError, match="must divide into minibatches = 3"):
        config(minibatches=3)


def test_steps_are_lost_in_the_environment_that_is_played():
    env = CheckedEnv(around(config(invalid_penalty=0.5), text.make("FoodPreparation")))
    assert env.step(len(env.reset(0).actions) - 1).reward == -0.5
