"""SayCan: affordances are what the definition says, and the product of both decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tests.environments
from twosome.baselines import Uniform
from twosome.baselines.config import MlpConfig, SayCanConfig
from twosome.baselines.ppo_mlp import train_mlp
from twosome.baselines.saycan import Affordance, Experience, SayCan, experience_of, random_experience
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.evaluate.success import evaluate
from twosome.observation import Observation
from twosome.rollout import Collector

COUNTING = "twosome-tests/Counting-v0"
assert tests.environments  # registers the environment

DURATIONS = (1, 3, 2)


def test_targets_are_the_discount_to_success_and_zero_after_failure():
    collector = Collector(lambda: text.make(COUNTING), 2, 0.9, seed=0, keep_vectors=True)
    rng = np.random.default_rng(0)
    rollouts = [collector.collect(Uniform(), 5, rng) for _ in range(12)]
    experience = Experience(0.9)
    for rollout in rollouts:
        experience.add(rollout)
    expected = []
    for e in range(2):
        steps = [(r, t) for r in rollouts for t in range(5)]
        episode = []
        for rollout, t in steps:
            episode.append(DURATIONS[rollout.actions[t, e]])
            if rollout.terminated[t, e] or rollout.truncated[t, e]:
                success = float(rollout.terminated[t, e])
                expected += [success * 0.9 ** sum(episode[k:]) for k in range(len(episode))]
                episode = []
    assert sorted(experience.targets) == pytest.approx(sorted(expected))
    assert 0.0 in experience.targets
    assert max(experience.targets) == pytest.approx(0.9)


def test_the_affordance_approaches_the_mean_target_of_each_action():
    experience = random_experience(COUNTING, 4000, seed=0)
    affordance = Affordance(COUNTING)
    affordance.fit(experience, epochs=60, learning_rate=3e-3)
    start = Observation(Decision("Now you", ("go left", "wait", "go right")), np.zeros(1, np.float32))
    found = affordance.log_values([start]).exp()[0].tolist()
    for action in range(3):
        targets = [
            target
            for vector, taken, target in zip(experience.vectors, experience.actions, experience.targets, strict=True)
            if vector == 0 and taken == action
        ]
        assert found[action] == pytest.approx(np.mean(targets), abs=0.05)


def told(experience):
    return np.concatenate(experience.vectors).tolist(), experience.actions, experience.targets, experience.episodes


def test_experience_is_made_by_the_play_that_the_settings_name():
    config = SayCanConfig(COUNTING, 650, seed=3, num_envs=2, rollout_steps=16)
    assert told(experience_of(config)) == told(random_experience(COUNTING, 640, seed=3, num_envs=2))
    met = Experience(text.gamma_of(COUNTING, {}))
    train_mlp(MlpConfig(COUNTING, 640, seed=3, num_envs=2, rollout_steps=16), lambda _, rollout: met.add(rollout))
    learned = experience_of(replace(config, affordance_from="ppo"))
    assert told(learned) == told(met) != told(experience_of(config))
    assert 0 < learned.episodes < len(learned.actions) <= 640


class Fixed:
    """Says the same of every decision."""

    def __init__(self, *row):
        self.row = np.array(row)

    def probabilities(self, decisions):
        return [self.row for _ in decisions]


class FixedAffordance(Affordance):
    def __init__(self, *row):
        self.row = torch.tensor([row], dtype=torch.float32).log()

    def log_values(self, observations):
        return self.row.repeat(len(observations), 1)


def policy_of(saycan):
    with text.make_checked(COUNTING) as env:
        env.reset(seed=0)
        return saycan.probabilities([env.observation])[0].tolist()


def test_the_policy_is_the_product_of_both():
    model, affordance = Fixed(0.5, 0.3, 0.2), FixedAffordance(0.1, 0.1, 0.6)
    # 0.05, 0.03 and 0.12
    assert policy_of(SayCan(model, affordance)) == pytest.approx([0.25, 0.15, 0.6])


def test_what_is_not_offered_has_no_probability_however_possible_it_looks():
    saycan = SayCan(Fixed(0.25, 0.75, 0.0), FixedAffordance(1e-30, 1e-30, 1.0))
    assert policy_of(saycan) == pytest.approx([0.25, 0.75, 0.0])


def test_an_affordance_makes_a_model_that_knows_nothing_better():
    affordance = Affordance(COUNTING)
    affordance.fit(random_experience(COUNTING, 2000, seed=0))
    without = evaluate(SayCan(Uniform(), FixedAffordance(1, 1, 1)), COUNTING, gamma=0.9, episodes=300).summary()
    with_it = evaluate(SayCan(Uniform(), affordance), COUNTING, gamma=0.9, episodes=300).summary()
    assert with_it["return_mean"] > without["return_mean"] + 0.02


def test_experience_without_a_finished_episode_is_refused():
    with pytest.raises(ConfigError, match="no episode has ended"):
        Affordance(COUNTING).fit(Experience(0.9))
