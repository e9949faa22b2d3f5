"""PPO from scratch: it reads the symbolic observation, keeps to what is offered, learns, and repeats itself."""

import math

import numpy as np
import pytest
import torch

import tests.environments
from twosome.baselines.ppo_mlp import MlpConfig, MlpPolicy, VectorReader, train_mlp
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError, EnvError
from twosome.evaluate.success import evaluate
from twosome.observation import Observation
from twosome.rollout import Collector

COUNTING = "twosome-tests/Counting-v0"
assert tests.environments  # registers the environment


def observed(number: float, *actions: str) -> Observation:
    return Observation(Decision("Now you", actions), np.array([number], np.float32))


def config(**changes) -> MlpConfig:
    return MlpConfig(**{"env": COUNTING, "total_steps": 1280, "num_envs": 2, "rollout_steps": 16, **changes})


def test_the_best_action_is_learnt():
    returns: list[float] = []
    policy = train_mlp(config(), lambda _, rollout: returns.extend(e.discounted_return for e in rollout.episodes))
    assert np.mean(returns[:20]) < 0.9
    assert np.mean(returns[-20:]) > 0.95
    # "go left" pays 1 at once.
    assert policy.probabilities([observed(0.0, "go left", "wait", "go right")])[0][0] > 0.9
    summary = evaluate(policy, COUNTING, gamma=0.9, episodes=50).summary()
    assert summary["return_mean"] > 0.95


def test_the_same_seed_gives_the_same_networks_and_another_seed_others():
    first, again, other = (train_mlp(config(total_steps=96, seed=seed)) for seed in (1, 1, 2))
    for a, b, c in zip(first.actor.parameters(), again.actor.parameters(), other.actor.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_actions_that_are_not_offered_have_no_probability_and_no_gradient():
    policy = MlpPolicy(VectorReader(np.ones(1, np.float32)), 1, 3, 8, seed=0)
    log_policy = policy.log_policy([observed(1.0, "go left", "wait", "")])
    assert log_policy[0, 2] == -torch.inf
    assert log_policy.exp().sum().item() == pytest.approx(1)
    log_policy[0, 0].backward()
    last = list(policy.actor.parameters())[-2].grad
    assert last is not None
    assert last.shape == (3, 8)
    assert torch.equal(last[2], torch.zeros(8))
    assert last[:2].abs().sum() > 0


def test_the_networks_read_the_scaled_vector_of_the_environment():
    observation, _ = text.make("TomatoLettuceSalad").reset(seed=0)
    read, num_inputs, num_actions = VectorReader.for_env("TomatoLettuceSalad")
    assert (num_inputs, num_actions) == (26, 8)
    assert read([observation["vector"]])[0].tolist() == pytest.approx((observation["vector"] / 6).tolist())


def test_a_step_changes_policy_and_value_each_by_its_own_loss():
    before = MlpPolicy(*VectorReader.for_env(COUNTING), 64, seed=1)
    after = train_mlp(config(total_steps=32))
    for network in ("actor", "critic"):
        a, b = (getattr(policy, network)[0].weight for policy in (before, after))
        assert not torch.equal(a, b)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"total_steps": 8}, "at least one rollout of 32"),
        ({"minibatches": 5}, "must divide into minibatches = 5"),
        ({"num_envs": 0}, "num_envs is 0; expected at least 1"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"clip": -0.1}, "clip is -0.1"),
        ({"entropy_coef": math.nan}, "entropy_coef is nan"),
        ({"gae_lambda": 1.1}, "gae_lambda is 1.1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        config(**changes)


def test_an_environment_without_numbers_is_refused():
    with pytest.raises(ConfigError, match="no symbolic observation"):
        train_mlp(config(env="twosome-tests/Wordy-v0"))


@pytest.mark.parametrize("vector", [None, np.zeros(2), np.zeros((1, 1))])
def test_observations_of_another_environment_are_refused(vector):
    policy = MlpPolicy(*VectorReader.for_env(COUNTING), 8, seed=0)
    with pytest.raises(EnvError, match=r"expected an array of shape \(1,\), found"):
        policy.probabilities([Observation(Decision("Now you", ("go left", "wait", "")), vector)])


def test_the_numbers_of_a_rollout_are_the_environments_own_and_stay_what_they_were():
    """`Counting` says how many decisions there were; an environment may write that into one array again and again."""

    class Reusing(tests.environments.Counting):
        kept = np.zeros(1, np.float32)

        def observation(self):
            self.kept[0] = self.count
            return {**super().observation(), "vector": self.kept}

    class Waiting:
        def probabilities(self, observations):
            return [np.array([0.0, 1.0, 0.0]) for _ in observations]

    with Collector(lambda: Reusing(limit=2), 1, 0.9, seed=0, keep_vectors=True) as collector:
        rollout = collector.collect(Waiting(), 3, np.random.default_rng(0))
    assert [row[0].item() for row in rollout.vectors] == [0, 1, 0]
    assert [row[0].item() for row in rollout.next_vectors] == [1, 2, 1]
