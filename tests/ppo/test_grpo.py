"""Advantages among equal decisions, against answers that can be worked out by hand; and a policy learns from them."""

import numpy as np
import pytest
import torch

import tests.environments
from tests.unchecked import types_unchecked
from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.errors import ConfigError
from twosome.ppo.credit.algorithm import no_values
from twosome.ppo.credit.grpo import Grpo, relative_to_group, returns_to_go
from twosome.ppo.train import train
from twosome.rollout import Rollout
from twosome.runs import RunDirectory


def test_a_score_is_measured_by_its_own_group():
    found = relative_to_group(torch.tensor([1.0, 10, 3, 20, 7]), ["a", "b", "a", "b", "c"], 0.0)
    assert torch.allclose(found, torch.tensor([-1.0, -1, 1, 1, 0]))


def test_a_floor_keeps_small_differences_small():
    assert torch.allclose(relative_to_group(torch.tensor([0.0, 0.02]), "aa", 0.1), torch.tensor([-0.1, 0.1]))


def test_the_order_and_the_level_of_scores_do_not_matter():
    rng = torch.Generator().manual_seed(0)
    scores, members = torch.randn(20, generator=rng), [i % 3 for i in range(20)]
    found = relative_to_group(scores, members, 0.1)
    order = torch.randperm(20, generator=rng)
    assert torch.allclose(relative_to_group(scores[order], [members[i] for i in order], 0.1), found[order], atol=1e-6)
    raised = scores + 100 * torch.tensor(members)
    assert torch.allclose(relative_to_group(raised, members, 0.1), found, atol=1e-4)


def test_a_return_counts_macro_actions_and_ends_with_its_episode_and_with_the_rollout():
    a, b = Decision("a", ("x", "y")), Decision("b", ("x", "y"))
    column = np.array
    rollout = Rollout(
        decisions=[[a], [b], [a], [b]],
        next_prompts=[["b"], ["a"], ["b"], ["a"]],
        probabilities=[[np.array([0.5, 0.5])]] * 4,
        actions=column([[0], [0], [1], [1]]),
        logp=np.zeros((4, 1), np.float32),
        rewards=column([[0], [1], [0], [0.5]], dtype=np.float32),
        durations=column([[2], [1], [3], [1]]),
        terminated=column([[False], [True], [False], [False]]),
        truncated=np.zeros((4, 1), bool),
    )
    assert torch.allclose(returns_to_go(rollout, 0.9)[:, 0], torch.tensor([0.9**2, 1.0, 0.5 * 0.9**3, 0.5]))
    with types_unchecked():
        algorithm = Grpo(TrainConfig(advantage_std_floor=0.0), gamma=0.9, scorer=None)  # it asks for no tokens
    credit = algorithm.credit(rollout, no_values)
    assert torch.allclose(credit.advantages, torch.tensor([1.0, 1, -1, -1]))


def test_the_best_action_is_learnt_without_a_critic(tmp_path):
    path = train(tests.environments.counting_run(tmp_path / "run", total_steps=640, algorithm="grpo"))
    rows = RunDirectory.open(path).read_metrics()
    assert rows[-1]["return_mean"] > 0.9 > rows[0]["return_mean"]
    assert "value_loss" not in rows[0]
    start = tests.environments.decision("You have decided 0 times. Now you", 0)
    assert Agent.load(path).distribution(start)[0] > 0.9


def test_what_needs_a_critic_is_refused():
    with pytest.raises(ConfigError, match="--critic-warmup-steps is 128; expected 0, since --algorithm grpo"):
        TrainConfig(algorithm="grpo", critic_warmup_steps=128)
