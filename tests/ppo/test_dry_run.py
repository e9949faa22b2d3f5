"""The dry run and the budget of memory: near what then happens, and nothing left behind."""

from dataclasses import replace

import pytest
import torch

from twosome import TrainConfig
from twosome.bench.memory import peak_tensor_bytes
from twosome.errors import ConfigError
from twosome.estimate import GIB, tensor_bytes
from twosome.policy.tuning import trainable
from twosome.ppo.dry_run import dry_run
from twosome.ppo.train import Trainer

CONFIG = TrainConfig(env="TomatoSalad", num_envs=4, rollout_steps=8, total_steps=640, policy_minibatches=2)


def peak_of_training(config: TrainConfig) -> int:
    """Bytes of tensors at their most in two updates, the model's and the head's among them."""
    trainer = Trainer(config)
    parts = (*trainer.scorer.model.parameters(), *trainer.scorer.model.buffers(), *trainer.critic.head.parameters())
    return tensor_bytes(parts) + peak_tensor_bytes(lambda: (trainer.step(), trainer.step()))


def test_the_plan_is_near_what_happens_and_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = dry_run(CONFIG)
    assert not list(tmp_path.iterdir())
    assert plan.memory.total == pytest.approx(peak_of_training(CONFIG), rel=0.2)
    trainer = Trainer(CONFIG)
    model, head = list(trainer.scorer.model.parameters()), list(trainer.critic.head.parameters())
    assert plan.parameters == sum(p.numel() for p in model)
    assert plan.trainable == sum(p.numel() for p in (*model, *head) if p.requires_grad)
    assert (plan.updates, plan.micro_batches) == (20, 2)
    assert plan.run_s == 20 * plan.update_s
    # Distinct decisions alone go through the model, so far fewer than 32 prompts with their actions.
    assert 0 < plan.policy_tokens < 32 * 53


SMALL = replace(CONFIG, num_envs=2, rollout_steps=4)


@pytest.fixture
def hurried(monkeypatch):
    """Fewer updates and passes than a real dry run times."""
    monkeypatch.setattr("twosome.ppo.dry_run._TIMED_UPDATES", 1)
    monkeypatch.setattr("twosome.ppo.cloning.PASSES", 2)
    monkeypatch.setattr("twosome.ppo.dry_run.PASSES", 2)


@pytest.mark.usefixtures("hurried")
def test_what_a_frozen_copy_reads_counts_as_what_the_model_itself_reads_with_its_adapters_off():
    adapted, full = dry_run(SMALL), dry_run(replace(SMALL, tuning="full"))
    assert full.rollout_tokens == adapted.rollout_tokens


@pytest.mark.usefixtures("hurried")
def test_what_self_imitation_adds_is_told_apart():
    assert dry_run(SMALL).self_imitation_s == 0
    assert dry_run(replace(SMALL, self_imitation_steps=2)).self_imitation_s > 0


@pytest.mark.usefixtures("hurried")
def test_without_a_critic_the_value_head_is_not_trained():
    config = replace(SMALL, algorithm="grpo")
    plan, trainer = dry_run(config), Trainer(config)
    assert plan.trainable == sum(p.numel() for p in trainable(trainer.scorer.model))
    assert plan.memory.value_head == tensor_bytes(trainer.critic.head.parameters())


@pytest.mark.usefixtures("hurried")
def test_a_warm_start_counts_in_time_and_memory():
    """Its minibatches are the largest forwards here: of 32 decisions, where the updates' are of four."""
    config = replace(SMALL, env="FoodPreparation", total_steps=0, warm_start_episodes=5)
    plan = dry_run(config)
    assert plan.run_s == plan.warm_start_s > 0
    trainer = Trainer(config)
    peak = tensor_bytes(trainer.scorer.model.parameters()) + peak_tensor_bytes(trainer.warm_start)
    assert plan.memory.total - plan.memory.value_head == pytest.approx(peak, rel=0.2)


def test_a_budget_bounds_the_memory_of_training():
    config = replace(CONFIG, memory_budget_gib=0.02)
    trainer = Trainer(config)
    assert 53 <= trainer.scorer.max_tokens_per_forward < 1000
    assert peak_of_training(config) < 0.02 * GIB < peak_of_training(CONFIG)


def test_a_budget_that_is_large_enough_changes_nothing():
    assert Trainer(replace(CONFIG, memory_budget_gib=64.0)).scorer.max_tokens_per_forward == 16_384


def test_a_budget_below_the_weights_is_refused():
    with pytest.raises(ConfigError, match=r"--memory-budget-gib is 0\.001; expected at least 0\.01.*--gradient-check"):
        Trainer(replace(CONFIG, memory_budget_gib=0.001))
    with pytest.raises(ConfigError, match="greater than 0"):
        TrainConfig(memory_budget_gib=0.0)


def test_a_budget_gives_the_same_bound_each_time():
    config = replace(CONFIG, memory_budget_gib=0.02)
    first, second = Trainer(config), Trainer(config)
    assert first.scorer.max_tokens_per_forward == second.scorer.max_tokens_per_forward
    first.step()
    second.step()
    for name, value in first.scorer.model.state_dict().items():
        assert torch.equal(value, second.scorer.model.state_dict()[name])
