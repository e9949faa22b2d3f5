"""An iteration of the trainer beside one of the page: the same losses, and a ratio of times taken in turn."""

import pytest

import tests.environments  # noqa: F401 - registers the environments
from twosome.bench.iteration import compare_iterations, loss_differences
from twosome.bench.page import PageLoop
from twosome.bench.phases import phases
from twosome.config import TrainConfig
from twosome.ppo.train import Trainer


@pytest.fixture
def config():
    return TrainConfig(
        env="twosome/TomatoSalad-v0",
        num_envs=2,
        rollout_steps=8,
        normalization="word",
        policy_minibatches=2,
        value_minibatches=2,
        total_steps=32,
        target_kl=0.0,
    )


def test_the_losses_of_the_page_are_ours_to_rounding(config):
    differences = loss_differences(config)
    assert set(differences) == {"value_loss", "policy_loss", "entropy", "approx_kl"}
    assert max(differences.values()) < 1e-3, differences


def test_a_ratio_is_that_of_iterations_side_by_side(config, monkeypatch):
    clock = {
        Trainer: iter([(1.0, 10.0), (2.0, 10.0), (4.0, 10.0)]),
        PageLoop: iter([(3.0, 5.0), (2.0, 5.0), (8.0, 20.0)]),
    }
    monkeypatch.setattr("twosome.bench.iteration.seconds", lambda step, device: next(clock[type(step.__self__)]))
    found = compare_iterations(config, 3, lambda line: None)
    assert found["ours"]["wall_s"][1] == 2
    assert found["page"]["wall_s"][1] == 3
    assert found["page/ours"] == {"wall": [1.5, 2.0, 2.5], "processor": [0.5, 0.5, 1.25]}


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
