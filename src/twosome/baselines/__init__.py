"""Policies to compare with: nobody's, and the best possible one."""

from twosome.policy.planner import Planner
from twosome.policy.uniform import Uniform

__all__ = ["Planner", "Uniform"]
