"""Proximal policy optimization for macro-actions: pure estimates and losses, and the loop that uses them."""
