"""Environments in processes of their own do and say what they do and say in this one."""

import importlib
import threading

import gymnasium
import numpy as np
import pytest

import twosome
from tests.environments import Counting
from twosome.envs import callables, text, worker
from twosome.envs.checked import CheckedEnv
from twosome.envs.remote import EnvPool
from twosome.errors import ConfigError, EnvError
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector, EnvSource
from twosome.trust import Consent, grant, granted


class Diary(twosome.TextEnv):
    """Tells three past observations where they fit; a number to guess."""

    goal = "You want to guess."
    max_steps = 6
    history = 3

    def begin(self, rng, split):
        self.number = int(rng.integers(3))
        return twosome.Turn("You have not guessed yet.", ["say 0", "say 1", "say 2"])

    def act(self, action):
        right = action == f"say {self.number}"
        return twosome.Turn(f"It was not {action[4:]}.", ["say 0", "say 1", "say 2"], reward=float(right), done=right)


gymnasium.register("twosome-tests/Diary-v0", Diary)


def fits(prompt: str, phrases: object) -> bool:
    return len(prompt) < 100


def collected(source: EnvSource, keep_vectors: bool) -> tuple[Collector, object]:
    with Collector(source, 3, 0.9, seed=1, keep_vectors=keep_vectors) as collector:
        rollout = collector.collect(Uniform(), 12, np.random.default_rng(0))
        collector.saved = collector.state()
        return collector, rollout


@pytest.mark.parametrize("env", ["Counting", "Diary"])
def test_what_is_collected_does_not_depend_on_the_number_of_workers(env):
    name, vectors = f"twosome-tests/{env}-v0", env == "Counting"
    here, expected = collected(text.maker(name, {}, fits), vectors)
    there, found = collected(EnvPool(name, {}, fits, 2), vectors)
    assert found.decisions == expected.decisions
    assert found.next_prompts == expected.next_prompts
    assert found.episodes == expected.episodes
    for array in ("actions", "logp", "rewards", "durations", "terminated", "truncated", "vectors", "next_vectors"):
        np.testing.assert_array_equal(getattr(found, array), getattr(expected, array))
    assert there.saved == here.saved
    if env == "Diary":  # the model's context was asked for, and not all of the history fits
        assert 60 < max(len(d.prompt) for row in found.decisions for d in row) < 100


def test_a_saved_state_is_restored_in_another_process():
    with Collector(EnvPool("twosome-tests/Counting-v0", {}, None, 1), 1, 0.9, seed=1) as collector:
        collector.collect(Uniform(), 5, np.random.default_rng(0))
        state, current = collector.state(), collector.current
    with Collector(EnvPool("twosome-tests/Counting-v0", {}, None, 1), 1, 0.9, seed=2) as other:
        assert other.restore(state, fresh_seed=9)
        assert other.current == current
        assert other.state() == state


def test_an_environment_that_a_function_makes_goes_to_its_process_as_it_is():
    limit = 2
    name = callables.register(lambda: Counting(limit))
    with EnvPool(name, {}, None, 1) as pool:
        env = pool.open()
        env.reset(seed=0)
        assert [env.step(1).truncated, env.step(1).truncated] == [False, True]


def test_what_cannot_be_handed_to_another_process_is_refused():
    held = threading.Lock()
    name = callables.register(lambda: held)
    with pytest.raises(EnvError, match=r"cannot be handed to another process.*--env module:id"):
        EnvPool(name, {}, None, 1)


def test_an_error_names_the_same_place_and_says_the_same():
    def message(env) -> str:
        env.reset(seed=5)
        env.step(1)
        with pytest.raises(EnvError) as caught:
            env.step(7)
        return str(caught.value)

    with EnvPool("twosome-tests/Counting-v0", {}, None, 1) as pool:
        assert message(pool.open()) == message(CheckedEnv.made_by(Counting)).replace(
            "Counting", "twosome-tests/Counting-v0"
        )


def test_an_environment_that_cannot_be_made_is_an_error_at_once():
    with (
        EnvPool("twosome-tests/Counting-v0", {"size": 3}, None, 1) as pool,
        pytest.raises(ConfigError, match="has no argument 'size'"),
    ):
        pool.open().reset(seed=0)


def test_a_module_registers_its_environment_once_in_each_process(tmp_path, monkeypatch, capfd):
    (tmp_path / "once.py").write_text(
        "import gymnasium\nfrom tests.environments import Counting\n"
        "gymnasium.register('Once-v0', entry_point='once:Counting')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("once")
    with EnvPool("once:Once-v0", {}, None, 1) as pool:
        pool.open().reset(0)
    assert capfd.readouterr().err == ""


def test_what_the_command_line_consents_to_holds_in_the_process_of_an_environment(monkeypatch):
    monkeypatch.setattr("twosome.trust._granted", [Consent()])
    grant(Consent(trust_remote_code=True))
    start = EnvPool("twosome-tests/Diary-v0", {}, fits, 1).start
    grant(Consent())
    worker._make(None, start).close()
    assert granted() == Consent(trust_remote_code=True)
