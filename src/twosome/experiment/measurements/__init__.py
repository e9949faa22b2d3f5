"""A file for each measurement, found by being here; `twosome.experiment.measurement` says what one is."""
