"""Measuring policies: fresh episodes, means and intervals."""
