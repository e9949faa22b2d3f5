"""The temperature that is set before training, and where the learned numbers are kept."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from twosome.checkpoint_schema import CALIBRATION
from twosome.decision import Decision
from twosome.errors import CheckpointError
from twosome.policy.calibration import (
    TEMPERATURES,
    Calibration,
    load_calibration,
    save_calibration,
    temperature_for,
)
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.scoring import ActionScorer

KITCHEN = [
    Decision("You see a tomato. Your hands are empty. Now you", ("pick up the tomato", "", "go to bed")),
    Decision("You hold a tomato. Now you", ("put it on the cutting board", "sleep", "eat the tomato", "leave")),
    Decision("You are done. Now you", ("wait", "", "")),
]


def entropy_shares(policies, available):
    """Of each row with a choice among so many actions, by the definition; a probability may be too small but for 0."""
    return [
        -sum(p * math.log(p) for p in row if p > 0) / math.log(num_actions)
        for row, num_actions in zip(policies, available, strict=True)
        if num_actions > 1
    ]


@settings(deadline=None, derandomize=True, max_examples=60)
@example([[0.0, 0.0, -46.0, 0.0], [0.0, -1.0, -46.0, 0.0]], 0.3125)
@given(st.lists(st.lists(st.floats(-60, 0), min_size=4, max_size=4), min_size=1, max_size=4), st.floats(0.3, 0.95))
def test_the_temperature_gives_the_entropy_that_is_asked_for(rows, target):
    scores = torch.tensor(rows, dtype=torch.float64)
    scores[:, 3] = -math.inf  # a row's last action is not available
    available = [3] * len(rows)
    coldest = entropy_shares(torch.softmax(scores / TEMPERATURES[0], dim=1).tolist(), available)
    assume(np.sum(coldest) < target * len(rows))
    found = temperature_for(scores, target)
    shares = entropy_shares(torch.softmax(scores / found, dim=1).tolist(), available)
    assert np.sum(shares) / len(rows) == pytest.approx(target, abs=1e-6)


def test_without_a_choice_or_a_difference_the_temperature_is_1():
    assert temperature_for(torch.empty(0, 0), 0.8) == 1
    assert temperature_for(torch.full((3, 5), -7.0), 0.8) == 1
    noise = torch.tensor([[-7.0, -7.0001]], dtype=torch.float64)
    assert temperature_for(noise, 0.8) == 1


def test_differences_beyond_all_measure_end_at_the_highest_temperature():
    assert temperature_for(torch.tensor([[0.0, -1e9]], dtype=torch.float64), 0.8) == pytest.approx(TEMPERATURES[1])


@pytest.mark.parametrize("prior_weight", [0.0, 1.0])
@pytest.mark.parametrize("target", [0.5, 0.8])
def test_an_actor_that_is_calibrated_has_the_entropy_that_is_asked_for(prior_weight, target):
    actor = LanguageModelPolicy(
        ActionScorer.from_pretrained("hearth"), "learned", calibration=Calibration(prior_weight)
    )
    before = actor.probabilities(KITCHEN)
    for _ in range(2):  # where it stood before makes no difference
        actor.calibrate(KITCHEN, target)
        policies = actor.probabilities(KITCHEN)
        assert np.mean(entropy_shares(policies, [2, 4, 1])) == pytest.approx(target, abs=1e-4)
        assert not np.allclose(policies[1], before[1])
    assert policies[2].tolist() == [1, 0, 0]
    assert actor.calibration.prior_weight.item() == prior_weight


def test_an_actor_that_never_has_a_choice_keeps_temperature_1():
    actor = LanguageModelPolicy(ActionScorer.from_pretrained("hearth"), "learned")
    actor.calibrate(KITCHEN[2:], 0.8)
    assert actor.calibration.numbers() == {"temperature": 1, "prior_weight": 1}


@pytest.mark.parametrize(("temperature", "kept"), [(1e-9, TEMPERATURES[0]), (1e9, TEMPERATURES[1]), (3.0, 3.0)])
def test_the_temperature_is_kept_in_bounds(temperature, kept):
    calibration = Calibration()
    with torch.no_grad():
        calibration.log_temperature.fill_(math.log(temperature))
    calibration.keep_in_bounds()
    assert calibration.numbers()["temperature"] == pytest.approx(kept)


def test_what_is_saved_comes_back_to_the_bit_and_damage_is_refused(tmp_path):
    calibration, again = Calibration(0.1), Calibration()
    with torch.no_grad():
        calibration.log_temperature.fill_(1 / 3)
    save_calibration(calibration, tmp_path)
    load_calibration(again, tmp_path)
    assert again.numbers() == calibration.numbers()
    (tmp_path / CALIBRATION).write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match=CALIBRATION):
        load_calibration(again, tmp_path)
    (tmp_path / CALIBRATION).unlink()
    with pytest.raises(CheckpointError, match=CALIBRATION):
        load_calibration(again, tmp_path)
