"""The page with a packed scorer does what the page alone does."""

from itertools import islice

import numpy as np
import pytest

from twosome.bench.page import packed_score
from twosome.minimal import Config, train

SMALL = Config(num_envs=2, rollout_steps=4, total_steps=16, minibatches=2, target_kl=0.0)


def test_a_packed_scorer_makes_the_updates_of_the_page():
    packed = train(SMALL, score=packed_score())
    for ours, plain in zip(packed, train(SMALL), strict=True):
        assert [(step.prompt, step.chosen) for step in ours["steps"]] == [
            (step.prompt, step.chosen) for step in plain["steps"]
        ]
        for name in ("policy_loss", "value_loss", "entropy", "approx_kl"):
            assert ours[name] == pytest.approx(plain[name], abs=1e-5), name


def test_what_it_remembers_ends_with_the_policy_that_said_it():
    """A scorer that went on with the first policy's answers would say the same of a decision for ever."""
    first, second = islice(train(SMALL, score=packed_score()), 2)
    met = {step.prompt: step.logp for step in first["steps"]}
    again = [step for step in second["steps"] if step.prompt in met]
    assert again
    assert not np.allclose([step.logp for step in again], [met[step.prompt] for step in again], atol=1e-6)
