"""Metrics reach TensorBoard, and the service that was asked for."""

import sys
import time
import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.errors import MissingExtraError, RunError
from twosome.ppo.record import acted
from twosome.rollout import Rollout
from twosome.tracking import Acted, Tracker

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
    fake.log = lambda numbers, step: fake.calls.append(("log", numbers.get("return_mean", numbers), step))
    fake.Histogram = lambda np_histogram: [part.tolist() for part in np_histogram]
    fake.Table = lambda columns, data: [dict(zip(columns, row, strict=True)) for row in data]
    fake.finish = lambda: fake.calls.append(("finish",))
    monkeypatch.setitem(sys.modules, request.param, fake)
    return fake


EPISODE = [("You see a | door.\nNow you", "open it", 0.75, 0.0), ("You are in. Now you", "sit down", 0.5, 1.0)]
ACTED = Acted(np.array([0, 2, 2, 1]), np.array([0.75, 0.5, 0.99, 0.01]), EPISODE)


def test_tensorboard_has_the_settings_the_distribution_of_actions_and_an_episode_in_words(tmp_path):
    with Tracker(tmp_path, TrainConfig(seed=7, total_steps=128), 0) as tracker:
        tracker.log_acted(128, ACTED)
    events = EventAccumulator(str(tmp_path)).Reload()
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    assert HParamsPluginData.FromString(content).session_start_info.hparams["seed"].number_value == 7
    (actions,) = events.Histograms("policy/actions")
    assert (actions.step, actions.histogram_value.num) == (128, 4)
    assert actions.histogram_value.bucket[-3:] == [1, 1, 2]
    (text,) = events.Tensors("episode/text/text_summary")
    shown = text.tensor_proto.string_val[0].decode()
    assert "    You see a | door.\n    Now you\n    -> open it (75%), reward 0\n" in shown


def test_a_service_gets_the_distribution_of_actions_and_an_episode_in_words(service, tmp_path):
    with Tracker(begun(tmp_path / "salad"), TrainConfig(track=service.__name__, total_steps=128), 0) as tracker:
        tracker.log_acted(128, ACTED)
    _, (_, shown, step), _ = service.calls
    assert step == 128
    assert shown["policy/actions"] == [[1, 1, 2], [-0.5, 0.5, 1.5, 2.5]]
    assert sum(shown["policy/probability of the action"][0]) == 4
    assert shown["episode/text"][1] == {
        "prompt": "You are in. Now you",
        "action": "sit down",
        "probability": 0.5,
        "reward": 1.0,
    }


def test_episodes_in_words_are_twenty_in_a_run_whatever_its_length(service, tmp_path):
    config = TrainConfig(track=service.__name__, total_steps=128 * 400)
    with Tracker(begun(tmp_path / "salad"), config, 0) as tracker:
        for update in range(1, 401):
            tracker.log_acted(128 * update, ACTED)
    assert sum("episode/text" in shown for name, *rest in service.calls if name == "log" for shown in rest[:1]) == 20


def test_the_episode_is_the_latest_that_has_ended_in_the_first_environment():
    ended = np.array([[False, True], [True, False], [False, False], [True, True], [False, False]])
    rollout = Rollout(
        decisions=[[Decision(f"{t} Now you", ("wait", f"do {t}"))] * 2 for t in range(5)],
        next_prompts=[],
        probabilities=[],
        actions=np.ones((5, 2), np.int64),
        logp=np.log(np.full((5, 2), 0.25, np.float64)),
        rewards=np.arange(10.0).reshape(5, 2),
        durations=np.ones((5, 2), np.int64),
        terminated=ended,
        truncated=np.zeros_like(ended),
    )
    found = acted(rollout)
    assert found.episode == [("2 Now you", "do 2", 0.25, 4.0), ("3 Now you", "do 3", 0.25, 6.0)]
    assert found.actions.shape == found.probabilities.shape == (10,)
    assert len(acted(replace(rollout, terminated=np.zeros_like(ended))).episode) == 5


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
