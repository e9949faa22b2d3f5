"""Tasks of ScienceWorld: its own simulator, variations and scores."""

import gc
import importlib.util
import json
import shutil

import pytest

from tests.unchecked import types_unchecked
from twosome.envs import text
from twosome.envs.gym.scienceworld import _sentences
from twosome.errors import ConfigError, MissingExtraError

needs_scienceworld = pytest.mark.skipif(
    importlib.util.find_spec("scienceworld") is None or shutil.which("java") is None,
    reason="needs the extra scienceworld, and Java",
)


@needs_scienceworld
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # ScienceWorld leaves pipes open
def test_tasks_are_played_saved_and_drawn_from_their_own_variations():
    env, other = (text.make("ScienceWorld", max_steps=4).unwrapped for _ in range(2))
    observation, _ = env.reset(seed=0)
    assert observation["prompt"].startswith("Your task is to find a(n) living thing. First, focus on the thing. Then,")
    assert len(observation["actions"]) > 50
    assert env.inner.variationIdx in env.inner.get_variations_train()

    env.step(0)
    other.set_state(json.loads(json.dumps(env.get_state())))
    assert other.observation() == env.observation()
    before = env.inner.lastStepScore
    observation, reward, over, _, info = env.step(env.observation()["actions"].index("focus on agent"))
    assert (reward, over, info) == (-100 - before, True, {})  # not what was asked for

    other.split = "test"
    other.inner = None
    other.reset(seed=0)
    assert other.inner.variationIdx in other.inner.get_variations_test()
    env.close()
    other.close()
    del env, other
    gc.collect()  # so that what it leaves open is told while it is not minded


def test_a_list_of_things_is_told_as_a_sentence():
    told = (
        "In it, you see: \n\tthe agent\n\tan orange (ripe)\nYou also see:\n\tA door to the hall\n\tA door to the bath\n"
    )
    assert _sentences(told) == (
        "In it, you see: the agent, an orange (ripe). You also see: A door to the hall, A door to the bath."
    )


@needs_scienceworld
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"task": "boils"}, "Did you mean 'boil'"),
        ({"simplification": "easy,openDoor"}, "Did you mean 'openDoors'"),
        ({"simplification": None}, "simplification=None: expected a text"),
        ({"max_steps": 0}, "max_steps=0: expected a whole number from 1"),
    ],
)
def test_an_argument_out_of_range_is_refused(kwargs, message):
    with types_unchecked(), pytest.raises(ConfigError, match=message):
        text.make("ScienceWorld", **kwargs)


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        MissingExtraError, match=r"ScienceWorld needs the package scienceworld.*twosome\[scienceworld\]"
    ):
        text.make("ScienceWorld")


@needs_scienceworld
def test_java_is_asked_for(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"ScienceWorld needs Java.*apt install default-jre-headless"):
        text.make("ScienceWorld")
