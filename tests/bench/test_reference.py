"""The reference loop computes what ours does, where the two algorithms coincide."""

import numpy as np
import pytest
import torch

import tests.worlds  # noqa: F401 - registers the worlds
from twosome.bench.iteration import compare_iterations, loss_differences
from twosome.bench.phases import phases
from twosome.bench.reference import ReferenceLoop
from twosome.config import TrainConfig
from twosome.policy.lm import trainable
from twosome.ppo.train import Trainer


@pytest.fixture
def config():
    # A limit that no rollout reaches: there the reference takes a cut-off episode for an ended one.
    return TrainConfig(
        env="twosome-tests/Counting-v0",
        env_kwargs={"limit": 1000},
        normalization="word",
        num_envs=2,
        rollout_steps=8,
        policy_minibatches=2,
        value_minibatches=2,
        total_steps=32,
        target_kl=0.0,
    )


def test_its_losses_are_ours_to_rounding(config):
    differences = loss_differences(config)
    assert set(differences) == {"value_loss", "policy_loss", "entropy", "approx_kl"}
    assert max(differences.values()) < 1e-3, differences


def test_normalizing_in_minibatches_is_where_it_differs(config):
    ours, theirs = Trainer(config).step(), ReferenceLoop(Trainer(config)).step()
    assert theirs["value_loss"] == pytest.approx(ours["value_loss"], rel=1e-4)
    assert theirs["policy_loss"] != pytest.approx(ours["policy_loss"], rel=1e-2)


def test_it_makes_the_same_update(config):
    ours, theirs = Trainer(config), ReferenceLoop(Trainer(config), minibatch_advantages=False)
    before = [parameter.detach().clone() for parameter in trainable(ours.scorer.model)]
    ours.step()
    theirs.step()
    updated = [parameter.detach() for parameter in trainable(ours.scorer.model)]
    assert max(float((a - b).abs().max()) for a, b in zip(before, updated, strict=True)) > 1e-3
    for a, b in zip(updated, trainable(theirs.scorer.model), strict=True):
        assert torch.allclose(a, b, atol=2e-5)
    for a, b in zip(ours.critic.head.parameters(), theirs.trainer.critic.head.parameters(), strict=True):
        assert torch.allclose(a, b, atol=2e-5)


def test_its_critic_reads_the_last_token_of_each_prompt(config):
    loop = ReferenceLoop(Trainer(config))
    prompts = ["You have decided 3 times. Now you", "Now you"]
    expected = loop.trainer.critic.values(prompts).numpy()
    assert np.allclose(loop.values(prompts).detach().numpy(), expected, atol=1e-5)


def test_a_ratio_is_that_of_iterations_side_by_side(config, monkeypatch):
    clock = {
        Trainer: iter([(1.0, 10.0), (2.0, 10.0), (4.0, 10.0)]),
        ReferenceLoop: iter([(3.0, 5.0), (2.0, 5.0), (8.0, 20.0)]),
    }
    monkeypatch.setattr("twosome.bench.iteration.seconds", lambda step, device: next(clock[type(step.__self__)]))
    found = compare_iterations(config, 3, lambda line: None)
    assert found["ours"]["wall_s"][1] == 2
    assert found["reference"]["wall_s"][1] == 3
    assert found["reference/ours"] == {"wall": [1.5, 2.0, 2.5], "processor": [0.5, 0.5, 1.25]}


def test_the_parts_of_a_phase_add_up_and_the_loop_is_as_before(config):
    trainer = Trainer(config)
    before = trainer.scorer.score
    found = phases(trainer, 1)
    assert list(found) == ["rollout", "estimate", "value", "policy"]
    assert found["rollout"]["model"] > 0
    assert found["rollout"]["tokenizing"] > 0
    assert found["policy"]["backward"] > found["policy"]["readout"] > 0
    assert all(value >= 0 for parts in found.values() for value in parts.values())
    assert trainer.scorer.score == before
    assert trainer.step()["update"] == 2
