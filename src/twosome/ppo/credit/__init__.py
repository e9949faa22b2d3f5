"""Credit assignment: what each algorithm makes of a rollout, one file each.

All algorithms share the loop of `twosome.ppo.train`. What tells them apart is which choices get credit, how much, and
what a critic is to learn: an `Algorithm` turns a rollout into `Credit`. docs/your-own-algorithm.md adds one.
"""

from twosome.ppo.credit.algorithm import Algorithm, Credit
from twosome.ppo.credit.choices import Choices, whole_actions

__all__ = ["Algorithm", "Choices", "Credit", "whole_actions"]
