"""Log-probabilities of single tokens equal log_softmax and gather, in values and gradients."""

import pytest
import torch

from twosome.scoring import readout
from twosome.scoring.readout import token_log_probs

ROWS = torch.tensor([0, 0, 3, 4, 4, 4])
TOKENS = torch.tensor([1, 6, 0, 2, 3, 6])


@pytest.mark.parametrize("chunk", [1, 14, 10**6])
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6), (torch.bfloat16, 1e-2)]
)
def test_values_and_gradients_equal_log_softmax(monkeypatch, chunk, dtype, tolerance):
    monkeypatch.setattr(readout, "_CHUNK_NUMBERS", chunk)
    logits = (3 * torch.randn(5, 7, generator=torch.Generator().manual_seed(0))).to(dtype).requires_grad_()
    weights = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0, 1.0])
    found = token_log_probs(logits, ROWS, TOKENS)
    (gradient,) = torch.autograd.grad((weights * found).sum(), logits)

    reference = logits.detach().double().requires_grad_()
    expected = torch.log_softmax(reference, dim=-1)[ROWS, TOKENS]
    (expected_gradient,) = torch.autograd.grad((weights * expected).sum(), reference)
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert gradient.dtype == dtype
    # Values are taken in single precision at least, so they are as good as the logits.
    torch.testing.assert_close(found.double(), expected, atol=min(tolerance, 1e-5), rtol=0)
    torch.testing.assert_close(gradient.double(), expected_gradient, atol=tolerance, rtol=tolerance)


def test_very_negative_and_very_large_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    found = token_log_probs(logits, torch.tensor([0, 0]), torch.tensor([0, 1]))
    assert found.tolist() == [0.0, -2e4]
    (gradient,) = torch.autograd.grad(found.sum(), logits)
    assert gradient.tolist() == [[-1.0, 1.0, 0.0]]
