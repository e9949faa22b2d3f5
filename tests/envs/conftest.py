"""Hypothesis as the worlds need it: the same examples each time, and no deadline, since the first call fills caches."""

from hypothesis import settings

settings.register_profile("worlds", deadline=None, derandomize=True)
settings.load_profile("worlds")
