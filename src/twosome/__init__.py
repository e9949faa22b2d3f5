"""Reinforcement learning for language models that act."""

__version__ = "0.1.0"
