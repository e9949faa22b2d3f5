"""Strings and a causal language model in, log-probabilities of actions out."""

from twosome.scoring.adapters import adapters_off, inner_model
from twosome.scoring.checks import PackingWarning
from twosome.scoring.context_free import context_free_log_probs
from twosome.scoring.normalize import action_log_probs
from twosome.scoring.score import ActionScorer
from twosome.scoring.scored import ScoredActions
from twosome.setting_types import Normalization

__all__ = [
    "ActionScorer",
    "Normalization",
    "PackingWarning",
    "ScoredActions",
    "action_log_probs",
    "adapters_off",
    "context_free_log_probs",
    "inner_model",
]
