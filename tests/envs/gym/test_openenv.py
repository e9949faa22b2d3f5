"""OpenEnv: a server of its own, made here, and the environment that plays there."""

import importlib.util
import json
import threading
import time
from typing import Any

import numpy as np
import pytest

import twosome
from tests.unchecked import types_unchecked
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError, EnvError, MissingExtraError

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what the server brings
NAMES = ["go left", "go right", "open the door"]


@pytest.fixture(scope="module")
def url():
    """The address of a server with a corridor whose door is drawn from the seed."""
    pytest.importorskip("openenv")
    import uvicorn
    from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app

    class Move(Action):  # type: ignore[misc]
        action_id: int

    class Seen(Observation):  # type: ignore[misc]
        place: str
        legal_actions: list[int]
        steps: int

    class Corridor(Environment):  # type: ignore[misc]
        SUPPORTS_CONCURRENT_SESSIONS = True

        def reset(self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any) -> Seen:
            self.door, self.at, self.steps = int(np.random.default_rng(seed).integers(3)), 0, 0
            return self.seen()

        def step(self, action: Move, timeout_s: float | None = None, **kwargs: Any) -> Seen:
            self.steps += 1
            if action.action_id == 2:
                return self.seen(done=True, reward=10.0)
            self.at = max(0, self.at + 2 * action.action_id - 1)
            return self.seen()

        def seen(self, **end: Any) -> Seen:
            legal = [0, 1] + [2] * (self.at == self.door)
            return Seen(place=f"place {self.at}\nof a corridor", legal_actions=legal, steps=self.steps, **end)

        @property
        def state(self) -> State:
            return State(step_count=self.steps)

    app = create_fastapi_app(Corridor, Move, Seen, max_concurrent_envs=8)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def made(url, **kwargs):
    return text.make("OpenEnv", url=url, **{"names": NAMES, **kwargs})


def test_it_keeps_the_contract_and_goes_on_from_a_saved_state(url):
    env, other = made(url), made(url).unwrapped
    text.check_contract(env, num_steps=40)
    observation, _ = env.reset(seed=0)
    env.step(observation["actions"].index("go right"))
    other.set_state(json.loads(json.dumps(env.unwrapped.get_state())))
    assert other.observation() == env.unwrapped.observation()
    env.close(), other.close()


def test_a_model_reads_the_fields_and_the_legal_actions_and_earns_what_the_server_pays(url):
    env = made(url, goal="You want to go through the door.", history=1)
    for seed in range(20):  # until the door is at place 1
        observation, _ = env.reset(seed=seed)
        start = "You want to go through the door. place: place 0 of a corridor. steps: 0."
        assert observation["prompt"] == f"{start} Now you"
        if "open the door" in observation["actions"]:
            continue
        observation, *_ = env.step(1)
        assert observation["prompt"] == f"{start} You go right. place: place 1 of a corridor. steps: 1. Now you"
        if "open the door" in observation["actions"]:
            break
    _, reward, over, _, info = env.step(observation["actions"].index("open the door"))
    assert (reward, over, info) == (10.0, True, {})
    env.close()


def test_actions_without_names_are_chosen_by_their_numbers(url):
    env = made(url, names=None)
    assert env.reset(seed=0)[0]["actions"][:2] == ("choose 0", "choose 1")
    env.close()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"legal": "legal_moves"}, r"the field 'legal_moves' of the observation, found None.*Say with legal="),
        ({"names": ["go left"]}, "expected a name for each action, found none for 1"),
    ],
)
def test_an_observation_that_is_not_understood_says_what_was_found(url, kwargs, message):
    env = made(url, **kwargs)
    with pytest.raises(EnvError, match=message):
        env.reset(seed=0)
    env.close()


def test_hearth_is_trained_in_it(url, tmp_path):
    config = TrainConfig(
        env="OpenEnv",
        env_kwargs={"url": url, "names": NAMES, "max_steps": 8},
        num_envs=2,
        rollout_steps=4,
        total_steps=8,
        normalization="word",
        output=tmp_path / "run",
    )
    assert (twosome.train(config) / "checkpoints").is_dir()


def test_an_argument_of_another_kind_is_refused():
    pytest.importorskip("openenv")
    for kwargs in ({"url": 8000}, {"names": "left"}, {"names": [1]}):
        with types_unchecked(), pytest.raises(ConfigError, match=f"{next(iter(kwargs))}=.*expected"):
            text.make("OpenEnv", **kwargs)


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"OpenEnv needs the package openenv.*twosome\[openenv\]"):
        text.make("OpenEnv")
