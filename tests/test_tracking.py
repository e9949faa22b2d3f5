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


@pytest.fixture(params=["wandb", "trackio"])
def service(request, monkeypatch) -> types.ModuleType:
    """A tracking service that keeps what it is called with in `calls`."""
    fake = types.ModuleType(request.param)
    fake.calls = []
    fake.init = lambda **kwargs: fake.calls.append(("init", kwargs))
    fake.log = lambda numbers, step: fake.calls.append(("log", numbers["return_mean"], step))
    fake.finish = lambda: fake.calls.append(("finish",))
    monkeypatch.setitem(sys.modules, request.param, fake)
    return fake


def begun(path: Path) -> Path:
    path.mkdir()
    return path


def test_a_service_gets_the_settings_and_each_update(service, tmp_path):
    with Tracker(begun(tmp_path / "salad"), TrainConfig(track=service.__name__, seed=7), 0) as tracker:
        tracker.log(METRICS)
    (_, opened), *others = service.calls
    assert opened["name"].startswith("salad")
    assert opened["config"]["seed"] == 7
    assert others == [("log", 0.5, 128), ("finish",)]


def test_a_resumed_run_goes_on_in_the_same_run_of_the_service_and_another_run_does_not(service, tmp_path):
    config = TrainConfig(track=service.__name__)
    first, other = begun(tmp_path / "salad"), begun(tmp_path / "other") / "salad"
    for path in (first, first, begun(other)):
        with Tracker(path, config, 0):
            pass
    same, again, different = (
        (opened["name"], opened.get("id"), opened["resume"]) for _, *rest in service.calls for opened in rest
    )
    assert same == again
    assert same[2] == "allow"
    assert same[:2] != different[:2]


def test_what_a_run_is_called_at_a_service_is_checked(service, tmp_path):
    (tmp_path / "tracking.json").write_text('{"id": "../../x"}')
    with pytest.raises(RunError, match="its id is"):
        Tracker(tmp_path, TrainConfig(track=service.__name__), 0)


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
