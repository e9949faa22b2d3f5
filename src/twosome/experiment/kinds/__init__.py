"""A file for each kind of baseline, found by being here; `twosome.experiment.kind` says what one is."""
