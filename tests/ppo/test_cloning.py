"""Imitation: the planner is shown truly, what was shown becomes likely, and training goes on from there."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import torch

import tests.environments
from twosome.agent import Agent
from twosome.config import TrainConfig
from twosome.envs import best_action, planner_for, text
from twosome.errors import ConfigError, DivergedError, EnvError
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.ppo.cloning import PASSES, clone, demonstrate
from twosome.ppo.train import Trainer, train
from twosome.runs import RunDirectory

assert tests.environments  # registers an environment without a planner


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return TrainConfig(env="FoodPreparation", output=tmp_path / "run", warm_start_episodes=8, total_steps=0)


def food() -> gymnasium.Env:
    return text.make("FoodPreparation")


@pytest.mark.parametrize("env", ["TomatoSalad", "FoodPreparation", "Entertainment"])
def test_every_shown_decision_has_the_planners_action_and_more_than_one_path_is_shown(env):
    shown = demonstrate(lambda: text.make(env), 20, seed=1)
    assert all(decision.actions[action] for decision, action in zip(shown.decisions, shown.actions, strict=True))
    environment, on_the_best_path = text.make(env), set()
    observation, _ = environment.reset(seed=1)
    ended = False
    while not ended:
        decision, action = text.decision_from(observation), planner_for(environment).act()
        on_the_best_path.add((decision, action))
        observation, _, terminated, truncated, _ = environment.step(action)
        ended = terminated or truncated
    assert on_the_best_path <= set(zip(shown.decisions, shown.actions, strict=True))
    assert set(shown.decisions) > {decision for decision, _ in on_the_best_path}


def test_the_same_seed_shows_the_same_and_another_seed_something_else():
    one, same, other = (demonstrate(food, 8, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_what_was_shown_becomes_likely_and_the_loss_is_the_mean_over_what_was_shown(config):
    trainer = Trainer(config)
    shown = demonstrate(food, 8, seed=1)
    with torch.no_grad():
        rows = trainer.actor.log_policy(shown.decisions)
    before = -rows[torch.arange(len(shown.actions)), torch.tensor(shown.actions)].mean().item()
    still = clone(trainer.actor, shown, learning_rate=0.0, max_grad_norm=1.0, seed=1)
    assert still == pytest.approx([before] * PASSES, rel=1e-4)
    losses = clone(trainer.actor, shown, learning_rate=1e-3, max_grad_norm=1.0, seed=1)
    assert losses[-1] < 0.5 * before


def test_cloning_alone_is_a_run_whose_agent_does_what_the_planner_does(config):
    path = train(replace(config, warm_start_episodes=30))
    run = RunDirectory.open(path)
    assert run.checkpoints() == ["step-0000000000"]
    assert run.read_metrics() == []
    agent, env = Agent.load(path), food()
    observation, _ = env.reset(seed=0)
    terminated = truncated = False
    while not (terminated or truncated):
        observation, _, terminated, truncated, _ = env.step(agent.act(text.decision_from(observation), greedy=True))
    assert terminated


def test_training_goes_on_from_what_was_cloned(config):
    warm, cold = Trainer(replace(config, total_steps=128)), Trainer(replace(config, total_steps=128))
    warm.warm_start()
    decision = warm.collector.current[0]
    best = best_action(warm.collector.envs[0].env)
    assert warm.actor.probabilities([decision])[0][best] > cold.actor.probabilities([decision])[0][best]
    assert not warm.optimizers["actor"].state
    assert isinstance(warm.actor, LanguageModelPolicy)
    assert np.isfinite(warm.step()["policy_loss"])


def test_an_environment_without_a_planner_cannot_be_imitated(config):
    with pytest.raises(EnvError, match="no planner"):
        train(replace(config, env="twosome-tests/Counting-v0"))
    assert not config.output.exists()


def test_no_updates_are_possible_only_after_a_warm_start():
    with pytest.raises(ConfigError, match="--total-steps"):
        TrainConfig(total_steps=0)


def test_imitation_that_diverges_is_told_and_leaves_no_run(config):
    with pytest.raises(DivergedError, match="lower --actor-lr"):
        train(replace(config, warm_start_episodes=1, actor_lr=1e30))
    assert not config.folder.exists()
