"""Metrics reach TensorBoard, and the service that was asked for."""

import sys
import time
import types
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from twosome.config import TrainConfig
from twosome.errors import MissingExtraError, RunError
from twosome.tracking import Tracker

METRICS = {"decisions": 128, "return_mean": 0.5, "success_rate": None, "policy_s": 0.1}


def test_numbers_are_written_for_tensorboard_by_decisions_and_missing_ones_left_out(tmp_path):
    with Tracker(tmp_path, TrainConfig(), 0) as tracker:
        tracker.log(METRICS)
    events = EventAccumulator(str(tmp_path)).Reload()
    (event,) = events.Scalars("episode/return_mean")
    assert (event.step, event.value) == (128, 0.5)
    assert set(events.Tags()["scalars"]) == {"episode/return_mean", "train/decisions", "seconds/policy"}


def test_a_resumed_run_hides_what_was_written_after_its_checkpoint(tmp_path):
    config = TrainConfig()
    with Tracker(tmp_path, config, 0) as tracker:
        tracker.log({"decisions": 128, "return_mean": 0.1})
        tracker.log({"decisions": 256, "return_mean": 0.2})
    # As a run resumed in another process is: later. Files of one second are ordered by a process's counter, as texts.
    time.sleep(1.1)
    with Tracker(tmp_path, config, 1) as tracker:
        tracker.log({"decisions": 256, "return_mean": 0.3})
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("episode/return_mean")
    assert [(event.step, round(event.value, 3)) for event in events] == [(128, 0.1), (256, 0.3)]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_service_gets_the_settings_and_each_update(name, tmp_path, monkeypatch):
    calls = []
    service = types.ModuleType(name)
    service.init = lambda **kwargs: calls.append(("init", kwargs["name"], kwargs["config"]["seed"]))
    service.log = lambda numbers, step: calls.append(("log", numbers["return_mean"], step))
    service.finish = lambda: calls.append(("finish",))
    monkeypatch.setitem(sys.modules, name, service)
    with Tracker(tmp_path / "salad", TrainConfig(track=name, seed=7), 0) as tracker:
        tracker.log(METRICS)
    assert calls == [("init", "salad", 7), ("log", 0.5, 128), ("finish",)]


def test_a_missing_service_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twosome\[trackio\]'"):
        Tracker(tmp_path, TrainConfig(track="trackio"), 0)


def test_a_disk_that_is_full_is_explained(tmp_path: Path, monkeypatch):
    with Tracker(tmp_path, TrainConfig(), 0) as tracker:
        monkeypatch.setattr(tracker._writer, "add_scalar", _full)
        with pytest.raises(RunError, match="No space left"):
            tracker.log(METRICS)


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")
