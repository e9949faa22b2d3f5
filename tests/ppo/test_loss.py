"""The losses against the formulas written out, and the laws they keep."""

import math

import pytest
import torch

from twosome.ppo.loss import policy_loss, value_loss


def log_policy(*rows: list[float]) -> torch.Tensor:
    return torch.tensor(rows).log().requires_grad_()


def gradient_of(tensor: torch.Tensor) -> torch.Tensor:
    assert tensor.grad is not None
    return tensor.grad


def test_before_any_change_the_loss_is_minus_the_mean_advantage_and_the_gradient_is_the_policy_gradient():
    logits = torch.zeros(2, 2, requires_grad=True)
    logp = logits.log_softmax(-1)
    taken = torch.tensor([0, 1])
    result = policy_loss(
        logp, taken, torch.full((2,), math.log(0.5)), torch.tensor([1.0, -3.0]), clip=0.2, entropy_coef=0.0
    )
    assert result.loss.item() == pytest.approx(1.0)
    assert result.approx_kl.item() == pytest.approx(0.0, abs=1e-6)
    result.loss.backward()
    # d(-A log pi)/d logits = -A (onehot - pi) / B
    assert torch.allclose(gradient_of(logits), torch.tensor([[-0.25, 0.25], [-0.75, 0.75]]))


@pytest.mark.parametrize(
    ("new", "advantage", "expected", "moves"),
    [
        (0.9, 1.0, -1.2, False),  # too good already: clipped, no gradient
        (0.9, -1.0, 1.8, True),  # a bad action has become likelier: the full penalty
        (0.1, 1.0, -0.2, True),
        (0.1, -1.0, 0.8, False),
        (0.55, 1.0, -1.1, True),
    ],
)
def test_the_surrogate_is_clipped_only_where_that_makes_it_worse(new, advantage, expected, moves):
    logp = log_policy([new, 1 - new])
    result = policy_loss(
        logp, torch.tensor([0]), torch.tensor([math.log(0.5)]), torch.tensor([advantage]), clip=0.2, entropy_coef=0.0
    )
    assert result.loss.item() == pytest.approx(expected, rel=1e-5)
    result.loss.backward()
    assert (gradient_of(logp)[0, 0].abs().item() > 0) == moves
    assert result.clip_fraction.item() == float(abs(new / 0.5 - 1) > 0.2)


def test_the_kl_estimate_is_r_minus_one_minus_log_r():
    result = policy_loss(
        log_policy([0.8, 0.2]),
        torch.tensor([0]),
        torch.tensor([math.log(0.5)]),
        torch.zeros(1),
        clip=0.2,
        entropy_coef=0.0,
    )
    assert result.approx_kl.item() == pytest.approx(0.6 - math.log(1.6), rel=1e-5)


def test_entropy_is_in_nats_and_lowers_the_loss():
    arguments = (torch.tensor([0]), torch.tensor([math.log(0.5)]), torch.zeros(1))
    result = policy_loss(log_policy([0.5, 0.5]), *arguments, clip=0.2, entropy_coef=0.1)
    assert result.entropy.item() == pytest.approx(math.log(2))
    assert result.loss.item() == pytest.approx(-0.1 * math.log(2))


def test_unavailable_actions_change_nothing_and_give_finite_gradients():
    logits = torch.tensor([[0.3, -0.2]], requires_grad=True)
    padded = torch.cat([logits.log_softmax(-1), torch.full((1, 3), -math.inf)], dim=1)
    arguments = (torch.tensor([1]), torch.tensor([-0.9]), torch.tensor([0.7]))
    with_padding = policy_loss(padded, *arguments, clip=0.2, entropy_coef=0.05)
    without = policy_loss(logits.log_softmax(-1), *arguments, clip=0.2, entropy_coef=0.05)
    assert with_padding.loss.item() == pytest.approx(without.loss.item())
    with_padding.loss.backward()
    gradient = gradient_of(logits).clone()
    assert gradient.isfinite().all()
    logits.grad = None
    without.loss.backward()
    assert torch.allclose(gradient, gradient_of(logits))


def test_the_mean_over_equal_parts_is_the_loss_of_the_whole():
    generator = torch.Generator().manual_seed(3)
    logp = torch.randn(8, 5, generator=generator).log_softmax(-1)
    actions = torch.randint(5, (8,), generator=generator)
    old = logp.gather(1, actions[:, None])[:, 0] + 0.1 * torch.randn(8, generator=generator)
    advantages = torch.randn(8, generator=generator)
    whole = policy_loss(logp, actions, old, advantages, clip=0.2, entropy_coef=0.01).loss
    parts = [
        policy_loss(
            logp[i : i + 2], actions[i : i + 2], old[i : i + 2], advantages[i : i + 2], clip=0.2, entropy_coef=0.01
        ).loss
        for i in range(0, 8, 2)
    ]
    assert torch.stack(parts).mean().item() == pytest.approx(whole.item(), rel=1e-6)


def test_the_value_loss_is_half_the_squared_error_at_the_worse_of_value_and_clipped_value():
    values = torch.tensor([1.0, 0.1], requires_grad=True)
    loss = value_loss(values, torch.zeros(2), torch.tensor([1.0, 1.0]), clip=0.2)
    assert loss.item() == pytest.approx(0.5 * (0.8**2 + 0.9**2) / 2)
    loss.backward()
    # The first value has moved as far as it may towards its return: no gradient.
    assert gradient_of(values)[0].item() == 0
    assert gradient_of(values)[1].item() == pytest.approx(-0.9 / 2)
