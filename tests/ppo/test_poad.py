"""Action decomposition: against its definition token by token, by hand, and against PPO where the two are one."""

import itertools
import math
from dataclasses import replace

import gymnasium
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.environments
from tests.scoring.tiny_models import DECISIONS, byte_level, llama
from twosome import ActionScorer
from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.policy.tuning import frozen_features
from twosome.ppo.credit.choices import choice_log_probs, estimate_choices, whole_actions
from twosome.ppo.credit.poad import branchings, decompose
from twosome.ppo.gae import estimate_advantages
from twosome.ppo.loss import path_policy_loss, policy_loss
from twosome.ppo.train import Trainer, train
from twosome.rollout import Rollout
from twosome.runs import RunDirectory

PICK = ((1, 2, 3), (1, 2, 4), (1,), (), (5, 6), (5, 6))
"""Token ids: a shared beginning, an action that is a prefix of others, one that is not available, a duplicate."""


def rollout(decisions: list[Decision], actions: list[int], probabilities: list[np.ndarray]) -> Rollout:
    """One environment, in which nothing but these happens."""
    T = len(decisions)
    return Rollout(
        decisions=[[decision] for decision in decisions],
        next_prompts=[["next"]] * T,
        probabilities=[[row] for row in probabilities],
        actions=np.array(actions)[:, None],
        logp=np.log([[row[a]] for row, a in zip(probabilities, actions, strict=True)]).astype(np.float32),
        rewards=np.zeros((T, 1), np.float32),
        durations=np.ones((T, 1), np.int64),
        terminated=np.zeros((T, 1), bool),
        truncated=np.zeros((T, 1), bool),
    )


def by_tokens(policy: torch.Tensor, tokens: list[tuple[int, ...]], taken: int) -> torch.Tensor:
    """The definition: log p(next token, or the end | tokens before) along an action, without what is forced."""

    def mass(beginning: tuple) -> torch.Tensor:
        words = zip(policy, tokens, strict=True)
        return sum(p for p, word in words if word and (*word, "end")[: len(beginning)] == beginning)

    word = (*tokens[taken], "end")
    masses = [mass(word[:n]) for n in range(len(word) + 1)]
    steps = [after.log() - before.log() for before, after in itertools.pairwise(masses) if before != after]
    # Which of several ids with the same tokens it is, no token says.
    steps = steps or [torch.zeros_like(masses[0])]
    return torch.stack([*steps[:-1], steps[-1] + policy[taken].log() - masses[-1].log()])


def test_an_action_parts_from_others_where_they_have_another_token_or_end():
    assert branchings(PICK, 0) == [(0, [0, 1, 2, 4, 5]), (1, [0, 1, 2]), (2, [0, 1])]
    assert branchings(PICK, 2) == [(0, [0, 1, 2, 4, 5]), (1, [0, 1, 2])]
    assert branchings(PICK, 4) == [(0, [0, 1, 2, 4, 5])]
    assert branchings(((7, 8, 1), (7, 8, 2, 3)), 1) == [(2, [0, 1])]
    assert branchings(((), (9, 9)), 1) == [(0, [1])]


@settings(max_examples=20)
@given(
    st.lists(st.lists(st.integers(0, 2), max_size=4).map(tuple), min_size=1, max_size=9).filter(any),
    st.integers(0, 2**16),
)
def test_choices_are_the_policys_token_probabilities_without_the_forced_ones(words, seed):
    """In values and gradients; their product is the probability of the action."""
    generator = torch.Generator().manual_seed(seed)
    available = torch.tensor([len(word) > 0 for word in words])
    scores = torch.randn(len(words), generator=generator, dtype=torch.float64, requires_grad=True)
    log_policy = scores.masked_fill(~available, -torch.inf).log_softmax(-1)
    decision = Decision("p", tuple("x" * len(word) for word in words))
    ids = available.nonzero()[:, 0].tolist()
    policy = log_policy.detach().exp().numpy()
    choices = decompose(rollout([decision] * len(ids), ids, [policy] * len(ids)), spans_of(words))
    found = choice_log_probs(log_policy.expand(len(ids), -1), choices.remaining)
    torch.testing.assert_close(choices.old_logp, found.float())
    torch.testing.assert_close(found.sum(1), log_policy[ids])
    expected = torch.cat([by_tokens(log_policy.exp(), words, taken) for taken in ids])
    torch.testing.assert_close(found[choices.is_choice], expected, atol=1e-9, rtol=1e-9)
    assert not found[~choices.is_choice].any()
    weights = torch.randn(len(expected), generator=generator, dtype=torch.float64)
    totals = weights @ found[choices.is_choice], weights @ expected
    gradients = [torch.autograd.grad(total, scores, retain_graph=True)[0] for total in totals]
    torch.testing.assert_close(*gradients, atol=1e-9, rtol=1e-9)


def spans_of(words):
    class Tokens:
        shared = (9, 8)
        actions = tuple(words)

    return lambda decision: Tokens()


def test_the_critic_reads_the_prompt_first_and_then_the_tokens_up_to_each_further_choice():
    words = ("go to the sink", "go to the door", "go")
    scorer = ActionScorer(llama(), byte_level())
    decision, forced = Decision("Now you", words), Decision("Here you", ("", "wait"))
    policy = np.array([0.2, 0.3, 0.5])
    choices = decompose(rollout([decision, decision, forced], [1, 2, 1], [policy, policy, np.eye(2)[1]]), scorer.spans)
    prompt = scorer.encoder.prompt_ids("Now you")
    up_to = [state for state in choices.states if not isinstance(state, str)]
    assert [scorer.tokenizer.decode(state[len(prompt) :]) for state in up_to] == [" go to the"]
    assert up_to[0][: len(prompt)] == prompt
    assert choices.states == ["Now you", up_to[0], "Now you", "Here you"]
    assert choices.is_choice.tolist() == [[True, True], [True, False], [True, False]]
    expected = torch.tensor([[0.5, 0.3 / 0.5], [0.5, 1], [1, 1]]).log()
    torch.testing.assert_close(choices.old_logp, expected)
    assert choices.numbers(np.array([2, 0])).tolist() == [3, 0, 1]
    assert choices.padded(torch.arange(1.0, 5)).tolist() == [[1, 2], [3, 0], [4, 0]]


def test_features_of_tokens_are_what_the_model_makes_of_the_last_of_them():
    scorer = ActionScorer(llama(), byte_level())
    spans = scorer.spans(DECISIONS[0])
    state = spans.shared + spans.actions[0][:2]
    hidden = scorer.model.base_model(input_ids=torch.tensor([state])).last_hidden_state[0, -1]
    torch.testing.assert_close(frozen_features(scorer, [DECISIONS[0].prompt, state])[1], hidden)


def test_ragged_advantages_by_hand():
    """Two environments of two decisions; of 2 and 1 choices, and of 1 and 2."""
    gamma, lam = 0.9, 0.8
    column = torch.tensor
    never = torch.zeros(2, 2, dtype=torch.bool)
    found = estimate_choices(
        column([[2, 1], [1, 2]]),
        column([[0.5, 0.0], [1.0, 2.0]]),
        column([[3, 1], [2, 4]]),
        column([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
        column([[0.7, 0.8], [0.9, 1.5]]),
        torch.tensor([[False, False], [False, True]]),
        never,
        gamma=gamma,
        gae_lambda=lam,
    )
    # Nothing is earned, and no time passes, between the choices of an action.
    left_last = 1.0 + gamma**2 * 0.9 - 0.4
    left_second = 0.5 + gamma**3 * 0.7 - 0.2 + gamma**3 * lam * left_last
    left_first = 0.2 - 0.1 + lam * left_second
    right_third = 2.0 - 0.6
    right_second = 0.6 - 0.5 + lam * right_third
    right_first = 0.0 + gamma * 0.8 - 0.3 + gamma * lam * right_second
    # Flat: decision by decision, row by row.
    expected = torch.tensor([left_first, left_second, right_first, left_last, right_second, right_third])
    torch.testing.assert_close(found.advantages, expected)
    torch.testing.assert_close(found.returns, expected + torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))


def test_ragged_advantages_are_those_of_the_recursion_written_out():
    T, E, gamma, lam = 12, 3, 0.95, 0.9
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 4, (T, E), generator=generator)
    durations = torch.randint(1, 5, (T, E), generator=generator)
    rewards, next_values = torch.randn(2, T, E, generator=generator)
    terminated, truncated = torch.rand(2, T, E, generator=generator) < 0.2
    values = torch.randn(int(counts.sum()), generator=generator)
    arguments = (rewards, durations, values, next_values, terminated, truncated)
    found = estimate_choices(counts, *arguments, gamma=gamma, gae_lambda=lam).advantages
    starts = counts.flatten().cumsum(0).view(T, E) - counts
    for e in range(E):
        later: float | torch.Tensor = 0.0
        for t in reversed(range(T)):
            for j in reversed(range(counts[t, e])):
                number = starts[t, e] + j
                if j + 1 < counts[t, e]:
                    later = values[number + 1] - values[number] + lam * later
                else:
                    discount = gamma ** durations[t, e]
                    future = 0.0 if terminated[t, e] else next_values[t, e]
                    later = 0.0 if terminated[t, e] or truncated[t, e] else later
                    later = rewards[t, e] + discount * future - values[number] + discount * lam * later
                torch.testing.assert_close(found[number], later)


def test_one_choice_in_each_decision_gives_the_advantages_of_decisions():
    generator = torch.Generator().manual_seed(0)
    rewards, values, next_values = torch.randn(3, 9, 2, generator=generator)
    durations = torch.randint(1, 5, (9, 2), generator=generator)
    terminated, truncated = torch.rand(2, 9, 2, generator=generator) < 0.2
    rest = {"gamma": 0.95, "gae_lambda": 0.9}
    expected = estimate_advantages(rewards, durations, values, next_values, terminated, truncated, **rest)
    ones = torch.ones(9, 2, dtype=torch.int64)
    arguments = (rewards, durations, values.flatten(), next_values, terminated, truncated)
    found = estimate_choices(ones, *arguments, **rest)
    assert torch.equal(found.advantages, expected.advantages.flatten())
    assert torch.equal(found.returns, expected.returns.flatten())


def test_the_loss_of_paths_adds_up_over_the_choices_each_clipped_by_itself():
    log_policy = torch.tensor([[0.5, 0.3, 0.2]]).log().requires_grad_()
    new = torch.tensor([[0.8, 0.625]]).log().requires_grad_()
    old = torch.tensor([[0.5, 0.5]]).log()
    found = path_policy_loss(log_policy, new, old, torch.tensor([[2.0, 1.0]]), clip=0.3, entropy_coef=0.0)
    assert found.loss.item() == pytest.approx(-(1.3 * 2 + 1.25))
    assert found.approx_kl.item() == pytest.approx(0.6 - math.log(1.6) + 0.25 - math.log(1.25), rel=1e-5)
    assert found.clip_fraction.item() == 1
    (gradient,) = torch.autograd.grad(found.loss, new)
    torch.testing.assert_close(gradient, torch.tensor([[0.0, -1.25]]))
    assert found.entropy.item() == pytest.approx(-(0.5 * math.log(0.5) + 0.3 * math.log(0.3) + 0.2 * math.log(0.2)))


def test_whole_actions_have_the_loss_and_the_gradient_of_ppo_to_the_last_bit():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(6, 4, generator=generator, requires_grad=True)
    log_policy = scores.masked_fill(torch.tensor([False, False, True, False]), -torch.inf).log_softmax(-1)
    decisions = [Decision(f"{i}", ("a", "b", "", "c")) for i in range(6)]
    actions = [0, 1, 3, 3, 1, 0]
    choices = whole_actions(rollout(decisions, actions, list(log_policy.detach().exp().double().numpy())))
    assert choices.states == [decision.prompt for decision in decisions]
    old_logp = choices.old_logp + 0.3 * torch.randn(6, 1, generator=generator)
    advantages = torch.randn(6, 1, generator=generator)
    arguments = {"clip": 0.2, "entropy_coef": 0.05}
    new_logp = choice_log_probs(log_policy, choices.remaining)
    found = path_policy_loss(log_policy, new_logp, old_logp, advantages, **arguments)
    expected = policy_loss(log_policy, torch.tensor(actions), old_logp[:, 0], advantages[:, 0], **arguments)
    assert expected.clip_fraction > 0
    for name, value in vars(expected).items():
        assert torch.equal(getattr(found, name), value), name
    gradients = [torch.autograd.grad(result.loss, scores, retain_graph=True)[0] for result in (found, expected)]
    assert torch.equal(*gradients)


class OneParting(tests.environments.Counting):
    """Phrases that part at one place."""

    def observation(self):
        return {**super().observation(), "actions": ("left", "wait", "right" if self.count % 2 == 0 else "")}


gymnasium.register("twosome-tests/OneParting-v0", OneParting)


def learnt(config: TrainConfig) -> list[torch.Tensor]:
    trainer = Trainer(config)
    trainer.step()
    return [*trainer.scorer.model.state_dict().values(), *trainer.critic.head.state_dict().values()]


@pytest.mark.parametrize(
    ("env", "same"), [("OneParting", True), pytest.param("Counting", False, marks=pytest.mark.slow)]
)
def test_where_phrases_part_at_one_place_training_is_that_of_ppo_to_the_last_bit(tmp_path, env, same):
    config = replace(tests.environments.counting_run(tmp_path / "run"), env=f"twosome-tests/{env}-v0")
    pairs = zip(learnt(config), learnt(replace(config, algorithm="poad")), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs) == same


@pytest.mark.slow
def test_the_best_action_is_learnt_choice_by_choice(tmp_path):
    path = train(tests.environments.counting_run(tmp_path / "run", total_steps=640, algorithm="poad"))
    rows = RunDirectory.open(path).read_metrics()
    assert rows[-1]["return_mean"] > 0.9 > rows[0]["return_mean"]
    start = tests.environments.decision("You have decided 0 times. Now you", 0)
    assert Agent.load(path).distribution(start)[0] > 0.9
