"""The two numbers of normalization ``"learned"``: set so that the untrained policy explores, then trained with it.

The temperature makes the policy more or less sure, the prior's weight says how much of what a phrase is worth without
a situation does not count. No constant serves all models and environments: what is nearly deterministic with one is
nearly uniform with another, and a policy without entropy never meets the rewards that it would learn from.
"""

import math
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from twosome.checkpoint_schema import CALIBRATION
from twosome.checkpoint_tensors import copy_into

TEMPERATURES = (0.05, 1000.0)
"""Below the first, the rounding errors of a model in half precision would act; at the second, differences of
hundreds of nats, larger than whole phrases are worth, still leave every action a chance."""

_BISECTIONS = 50


class Calibration(nn.Module):
    """The learned numbers, in float32 whatever the model's precision.

    Args:
        prior_weight: its start; the temperature starts at 1, until `LanguageModelPolicy.calibrate` sets it.

    Attributes:
        log_temperature: natural logarithm of what divides the scores.
        prior_weight: the share of a phrase's log-probability without a situation that is subtracted.
    """

    def __init__(self, prior_weight: float = 1.0) -> None:
        super().__init__()
        self.log_temperature = nn.Parameter(torch.zeros((), dtype=torch.float32))
        self.prior_weight = nn.Parameter(torch.tensor(prior_weight, dtype=torch.float32))

    def numbers(self) -> dict[str, float]:
        """Both, as metrics name them."""
        return {"temperature": self.log_temperature.exp().item(), "prior_weight": self.prior_weight.item()}

    @torch.no_grad()
    def keep_in_bounds(self) -> None:
        """Move the temperature back within `TEMPERATURES`; to be called after each step of an optimizer."""
        self.log_temperature.clamp_(*map(math.log, TEMPERATURES))


def temperature_for(scores: Float[Tensor, "B A"], target_entropy: float) -> float:
    """The temperature that gives the softmax of the scores a certain entropy, by bisection.

    The entropy is taken as a share of the greatest, the logarithm of how many actions a row offers, and averaged over
    the rows.

    Args:
        scores: at temperature 1, up to a constant in each row; -inf where an action is not available. At least two
            actions are, in every row.
        target_entropy: the share, between 0 and 1.

    Returns:
        A temperature within `TEMPERATURES`. 1 if there are no rows, or if even the lowest leaves more entropy: then the
        scores hardly differ, and what difference there is should not be blown up.
    """
    low, high = map(math.log, TEMPERATURES)
    if not len(scores) or _entropy_share(scores / TEMPERATURES[0]) > target_entropy:
        return 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _entropy_share(scores / math.exp(middle)) < target_entropy:
            low = middle
        else:
            high = middle
    return math.exp(high)


def _entropy_share(scores: Tensor) -> float:
    """Mean over the rows of the softmax's entropy, divided by that of a uniform choice; -inf is not available."""
    logp = torch.log_softmax(scores, dim=1)
    entropy = -(logp.exp() * logp.masked_fill(logp == -torch.inf, 0.0)).sum(dim=1)
    return float((entropy / (scores > -torch.inf).sum(dim=1).log()).mean())


def save_calibration(calibration: Calibration, folder: Path) -> None:
    """Write the two numbers where whoever uses the adapters without us finds them."""
    save_file(calibration.state_dict(), folder / CALIBRATION)


def load_calibration(calibration: Calibration, folder: Path) -> None:
    """Read back what `save_calibration` wrote.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    copy_into(calibration.state_dict(), folder / CALIBRATION)
