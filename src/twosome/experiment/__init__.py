"""A grid of runs, environments x methods x seeds, carried out over the cores and restartable."""
