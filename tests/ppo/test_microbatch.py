"""Micro-batches: the same mean and the same gradient as the whole minibatch, in less memory."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from tests.scoring.tiny_models import DECISIONS, byte_level, tiny_model
from twosome import ActionScorer, TrainConfig
from twosome.bench.memory import peak_tensor_bytes
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.ppo.loss import PolicyLoss, policy_loss
from twosome.ppo.microbatch import backward_mean, micro_batches
from twosome.ppo.train import Trainer

# Unequal parts on purpose: DECISIONS[2] takes a part of its own under the bound below.
BATCH = [DECISIONS[i] for i in (0, 2, 1, 0, 2, 0, 2, 1, 2)]
ACTIONS = torch.tensor([4, 0, 1, 2, 1, 0, 1, 1, 0])
BOUND = 60


class Minibatch:
    """A policy minibatch under a model that keeps to float64 throughout."""

    def __init__(self, max_tokens: int) -> None:
        self.scorer = ActionScorer(tiny_model("gpt2"), byte_level(), max_tokens_per_forward=max_tokens)
        self.actor = LanguageModelPolicy(self.scorer)
        generator = torch.Generator().manual_seed(0)
        taken = self.actor.log_policy(BATCH).detach().gather(1, ACTIONS[:, None])[:, 0]
        self.old_logp = taken + 0.3 * torch.randn(len(BATCH), generator=generator, dtype=torch.float64)
        self.advantages = torch.randn(len(BATCH), generator=generator, dtype=torch.float64)
        self.index = np.random.default_rng(0).permutation(len(BATCH))

    def loss_of(self, index: np.ndarray) -> PolicyLoss:
        decisions = [BATCH[i] for i in index]
        data = (ACTIONS[index], self.old_logp[index], self.advantages[index])
        return policy_loss(self.actor.log_policy(decisions), *data, clip=0.2, entropy_coef=0.1)

    def parts(self) -> list[np.ndarray]:
        return micro_batches(self.scorer, BATCH, self.index)

    def gradients(self) -> list[torch.Tensor]:
        gradients = [parameter.grad for parameter in self.scorer.model.parameters()]
        self.scorer.model.zero_grad()
        return gradients


def test_micro_batches_give_the_mean_and_the_gradient_of_the_whole():
    batch = Minibatch(BOUND)
    parts = batch.parts()
    assert len({len(part) for part in parts}) > 1
    found, found_gradients = backward_mean(parts, batch.loss_of, divisor=3), batch.gradients()
    whole = Minibatch(10**6)
    expected = whole.loss_of(whole.index)
    (expected.loss / 3).backward()
    for found_gradient, gradient in zip(found_gradients, whole.gradients(), strict=True):
        torch.testing.assert_close(found_gradient, gradient, atol=1e-10, rtol=1e-9)
    assert expected.clip_fraction > 0
    assert found == pytest.approx(
        {
            "policy_loss": expected.loss.item(),
            "entropy": expected.entropy.item(),
            "approx_kl": expected.approx_kl.item(),
            "clip_fraction": expected.clip_fraction.item(),
        },
        rel=1e-6,
    )


def test_a_minibatch_that_fits_goes_through_as_it_is():
    batch = Minibatch(16384)
    (part,) = batch.parts()
    assert part.tolist() == batch.index.tolist()
    found, found_gradients = backward_mean([part], batch.loss_of, divisor=3), batch.gradients()
    expected = batch.loss_of(batch.index)
    torch.autograd.backward(expected.loss / 3)
    assert found["policy_loss"] == expected.loss.item()
    assert all(map(torch.equal, found_gradients, batch.gradients()))


def test_each_decision_is_in_one_micro_batch_and_equal_ones_in_the_same():
    parts = Minibatch(BOUND).parts()
    assert sorted(i for part in parts for i in part) == list(range(len(BATCH)))
    for part in parts:
        inside = {BATCH[i] for i in part}
        assert not inside & {BATCH[i] for other in parts if other is not part for i in other}


def test_micro_batches_need_less_memory():
    bounded, whole = Minibatch(BOUND), Minibatch(10**6)

    def work(minibatch: Minibatch) -> None:
        backward_mean(minibatch.parts(), minibatch.loss_of)

    peaks = [peak_tensor_bytes(partial(work, minibatch)) for minibatch in (bounded, whole)]
    assert peaks[0] < 0.8 * peaks[1]


def test_training_with_a_small_bound_agrees_to_rounding(tmp_path):
    config = TrainConfig(env="TomatoSalad", num_envs=2, rollout_steps=16, total_steps=64, target_kl=0.0)
    free, bounded = Trainer(config), Trainer(replace(config, max_tokens_per_forward=80))
    for _ in range(2):
        expected, found = free.step(), bounded.step()
    for name in ("policy_loss", "entropy", "approx_kl", "clip_fraction", "policy_steps"):
        assert found[name] == pytest.approx(expected[name], abs=1e-5), name
    for name, value in free.scorer.model.state_dict().items():
        torch.testing.assert_close(bounded.scorer.model.state_dict()[name], value, atol=2e-5, rtol=0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_a_base_in_half_precision_trains_with_everything_else_in_float32(dtype):
    config = TrainConfig(env="TomatoSalad", num_envs=2, rollout_steps=16, total_steps=32, dtype=dtype, device="cpu")
    trainer = Trainer(replace(config, gradient_checkpointing=True))
    metrics = trainer.step()
    for name in ("policy_loss", "entropy", "approx_kl", "value_loss"):
        assert np.isfinite(metrics[name]), name
    parameters = list(trainer.scorer.model.parameters())
    assert {str(p.dtype) for p in parameters if not p.requires_grad} == {f"torch.{dtype}"}
    moments = [t for optimizer in trainer.optimizers.values() for s in optimizer.state.values() for t in s.values()]
    learnt = [p for p in parameters if p.requires_grad]
    for tensors in (learnt, list(trainer.critic.head.parameters()), moments):
        assert {tensor.dtype for tensor in tensors} == {torch.float32}
    assert trainer.actor.log_policy(trainer.collector.current).dtype == torch.float32
