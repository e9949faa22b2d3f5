"""SayCan: affordances are what the definition says, and the product of both decides."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import tests.worlds
from twosome.baselines import Uniform
from twosome.baselines.config import MlpConfig, SayCanConfig
from twosome.baselines.ppo_mlp import VectorPrompt, train_mlp
from twosome.baselines.saycan import Affordance, Experience, SayCan, experience_of, random_experience
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.evaluate.success import evaluate
from twosome.rollout import Collector

COUNTING = "twosome-tests/Counting-v0"
assert tests.worlds  # registers the world

DURATIONS = (1, 3, 2)


def test_targets_are_the_discount_to_success_and_zero_after_failure():
    collector = Collector(lambda: VectorPrompt(text.make(COUNTING)), 2, 0.9, seed=0)
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
    start = Decision("[0.0]", ("go left", "wait", "go right"))
    found = affordance.log_values([start]).exp()[0].tolist()
    for action in range(3):
        targets = [
            target
            for prompt, taken, target in zip(experience.prompts, experience.actions, experience.targets, strict=True)
            if prompt == "[0.0]" and taken == action
        ]
        assert found[action] == pytest.approx(np.mean(targets), abs=0.05)


def test_experience_is_made_by_the_play_that_the_settings_name():
    config = SayCanConfig(COUNTING, 650, seed=3, num_envs=2, rollout_steps=16)
    assert experience_of(config) == random_experience(COUNTING, 640, seed=3, num_envs=2)
    met = Experience(text.gamma_of(COUNTING, {}))
    train_mlp(MlpConfig(COUNTING, 640, seed=3, num_envs=2, rollout_steps=16), lambda _, rollout: met.add(rollout))
    learned = experience_of(replace(config, affordance_from="ppo"))
    assert learned == met != experience_of(config)
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

    def log_values(self, decisions):
        return self.row.repeat(len(decisions), 1)


def chosen(player, draws=4000):
    env = text.make(COUNTING)
    observation, _ = env.reset(seed=0)
    decision, rng = text.decision_from(observation), np.random.default_rng(0)
    counts = np.zeros(3)
    for _ in range(draws):
        counts[player.choose([env], [decision], [rng])[0]] += 1
    return counts / draws


def test_the_product_of_both_decides():
    model, affordance = Fixed(0.5, 0.3, 0.2), FixedAffordance(0.1, 0.1, 0.6)
    # 0.05, 0.03 and 0.12
    assert chosen(SayCan(model, affordance)).tolist() == pytest.approx([0.25, 0.15, 0.6], abs=0.03)
    assert chosen(SayCan(model, affordance, greedy=True), 1).tolist() == [0, 0, 1]


def test_what_is_not_offered_is_never_chosen_however_possible_it_looks():
    player = SayCan(Fixed(0.5, 0.5, 0.0), FixedAffordance(1e-30, 1e-30, 1.0))
    assert chosen(player)[2] == 0
    assert chosen(SayCan(Fixed(0.4, 0.6, 0.0), FixedAffordance(0.1, 0.1, 1.0), greedy=True), 1).tolist() == [0, 1, 0]


def test_an_affordance_makes_a_model_that_knows_nothing_better():
    affordance = Affordance(COUNTING)
    affordance.fit(random_experience(COUNTING, 2000, seed=0))
    without = evaluate(SayCan(Uniform(), FixedAffordance(1, 1, 1)), COUNTING, gamma=0.9, episodes=300).summary()
    with_it = evaluate(SayCan(Uniform(), affordance), COUNTING, gamma=0.9, episodes=300).summary()
    assert with_it["return_mean"] > without["return_mean"] + 0.02


def test_experience_without_a_finished_episode_is_refused():
    with pytest.raises(ConfigError, match="no episode has ended"):
        Affordance(COUNTING).fit(Experience(0.9))
