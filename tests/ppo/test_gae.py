"""Advantages against answers that can be worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from twosome.ppo.gae import estimate_advantages, normalize_advantages


def column(*values: float, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.tensor(values, dtype=dtype)[:, None]


def flags(*values: bool) -> torch.Tensor:
    return torch.tensor(values)[:, None]


def test_a_reward_at_the_end_is_discounted_by_the_primitive_steps_before_it():
    estimates = estimate_advantages(
        column(0, 0, 1),
        column(2, 5, 3, dtype=torch.int64),
        column(0, 0, 0),
        column(0, 0, 0),
        flags(False, False, True),
        flags(False, False, False),
        gamma=0.9,
        gae_lambda=1.0,
    )
    # The reward of the last macro-action is discounted inside it already: its own 3 steps do not count again.
    assert torch.allclose(estimates.returns, column(0.9**7, 0.9**5, 1.0))


def test_with_lambda_zero_the_advantage_is_the_one_step_error_over_the_macro_action():
    estimates = estimate_advantages(
        column(0.5, 0.25),
        column(4, 1, dtype=torch.int64),
        column(1.0, 2.0),
        column(2.0, 3.0),
        flags(False, False),
        flags(False, False),
        gamma=0.5,
        gae_lambda=0.0,
    )
    assert torch.allclose(estimates.advantages, column(0.5 + 0.5**4 * 2.0 - 1.0, 0.25 + 0.5 * 3.0 - 2.0))


def test_two_decisions_by_hand():
    gamma, lam = 0.9, 0.8
    later = 1.0 + gamma**3 * 0.7 - 0.4
    earlier = 0.1 + gamma**2 * 0.4 - 0.3 + gamma**2 * lam * later
    estimates = estimate_advantages(
        column(0.1, 1.0),
        column(2, 3, dtype=torch.int64),
        column(0.3, 0.4),
        column(0.4, 0.7),
        flags(False, False),
        flags(False, False),
        gamma=gamma,
        gae_lambda=lam,
    )
    assert torch.allclose(estimates.advantages, column(earlier, later))


def test_an_endless_task_with_the_right_value_has_no_advantage():
    gamma = 0.99
    value = 1 / (1 - gamma)
    values = torch.full((50, 2), value)
    never = torch.zeros(50, 2, dtype=torch.bool)
    estimates = estimate_advantages(
        torch.ones(50, 2),
        torch.ones(50, 2, dtype=torch.int64),
        values,
        values,
        never,
        never,
        gamma=gamma,
        gae_lambda=0.95,
    )
    assert estimates.advantages.abs().max() < 1e-3
    assert torch.allclose(estimates.returns, values, rtol=1e-4)


@pytest.mark.parametrize(("terminated", "truncated", "expected"), [(True, False, 1.0), (False, True, 1.0 + 0.9 * 5.0)])
def test_a_cut_off_episode_has_a_future_and_an_ended_one_has_none(terminated, truncated, expected):
    estimates = estimate_advantages(
        column(1.0, 100.0),
        column(1, 1, dtype=torch.int64),
        column(0.0, 0.0),
        column(5.0, 0.0),
        flags(terminated, False),
        flags(truncated, False),
        gamma=0.9,
        gae_lambda=1.0,
    )
    # In neither case does the next episode's reward of 100 leak into this one.
    assert estimates.advantages[0, 0].item() == pytest.approx(expected)


def test_environments_do_not_mix():
    generator = torch.Generator().manual_seed(0)
    T, E = 7, 3
    arguments = [
        torch.rand(T, E, generator=generator),
        torch.randint(1, 9, (T, E), generator=generator),
        torch.rand(T, E, generator=generator),
        torch.rand(T, E, generator=generator),
        torch.rand(T, E, generator=generator) < 0.2,
        torch.rand(T, E, generator=generator) < 0.2,
    ]
    together = estimate_advantages(*arguments, gamma=0.95, gae_lambda=0.9)
    for e in range(E):
        alone = estimate_advantages(*(x[:, e : e + 1] for x in arguments), gamma=0.95, gae_lambda=0.9)
        assert torch.equal(alone.advantages[:, 0], together.advantages[:, e])


@given(st.lists(st.floats(-100, 100, width=32), min_size=2, max_size=40))
def test_normalized_advantages_have_zero_mean_and_at_most_unit_spread(values):
    normalized = normalize_advantages(torch.tensor(values)[:, None])
    assert abs(normalized.mean().item()) < 1e-3
    assert normalized.square().mean().sqrt().item() <= 1 + 1e-3


def test_the_floor_keeps_noise_small_and_leaves_signal_alone():
    noise = torch.tensor([[0.001], [-0.001]])
    assert normalize_advantages(noise, 0.1).abs().max().item() == pytest.approx(0.01)
    assert normalize_advantages(noise, 0.0).abs().max().item() == pytest.approx(1.0)
    signal = torch.tensor([[2.0], [-2.0]])
    assert torch.equal(normalize_advantages(signal, 0.1), normalize_advantages(signal, 0.0))
    assert not math.isnan(normalize_advantages(torch.zeros(4, 1), 0.0).sum().item())
