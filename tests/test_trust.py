"""What of a run needs consent, and what a hint to another command has to say of it."""

import pytest

from twosome.config import TrainConfig
from twosome.trust import consent_needed


@pytest.mark.parametrize(
    ("settings", "flags"),
    [
        ({}, ""),
        ({"env": "light:home/Light-v0"}, " --trust-env-module"),
        ({"env": "light:home/Light-v0", "trust_remote_code": True}, " --trust-env-module --trust-remote-code"),
    ],
)
def test_a_hint_names_the_flags_without_which_a_run_cannot_be_opened(settings, flags):
    assert consent_needed(TrainConfig(**settings)) == flags
