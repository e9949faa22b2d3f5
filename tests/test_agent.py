"""An agent: one in, one out; a list in, a list out; what it saves it loads; threads and callers do not disturb it."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import SyncVectorEnv

import twosome
from tests.environments import Counting, counting_run
from tests.unchecked import types_unchecked
from twosome.agent import Agent
from twosome.baselines import Planner, Uniform
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.errors import CheckpointError, ConfigError, RunError
from twosome.evaluate.evaluator import evaluator_for
from twosome.observation import Observation
from twosome.policy import lm_policy
from twosome.policy.loading import save_policy
from twosome.ppo.train import train
from twosome.runs import AGENT

ENV = "twosome-tests/Counting-v0"
TEA = Decision("You want to make tea. Your hands are empty. Now you", ("take the cup", "", "go to the kitchen"))
BED = Decision("You are tired. Now you", ("go to bed", "run"))


@pytest.fixture(scope="module")
def hearth() -> Agent:
    return Agent.from_pretrained("hearth")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(counting_run(tmp_path_factory.mktemp("agent") / "run", normalization="learned", total_steps=64))


class Fixed:
    """Says the same of every observation."""

    def __init__(self, *row: float) -> None:
        self.row = np.array(row)

    def probabilities(self, observations):
        return [self.row for _ in observations]


def test_one_in_one_out_and_a_list_in_a_list_out(hearth):
    assert hearth.act(TEA) in (0, 2)
    assert isinstance(hearth.act(TEA), int)
    assert [type(action) for action in hearth.act([TEA, BED, TEA])] == [int] * 3
    one, several = hearth.probabilities(BED), hearth.probabilities([TEA, BED])
    assert one.tolist() == several[1].tolist()
    assert one.shape == (2,)
    assert hearth.act([]) == hearth.probabilities([]) == []


def test_an_observation_can_be_given_in_each_of_its_forms(hearth):
    observation, _ = gymnasium.make("twosome/TomatoSalad-v0").reset(seed=0)
    decision = Decision(observation["prompt"], observation["actions"])
    alike = [hearth.probabilities(form).tolist() for form in (observation, decision, Observation(decision))]
    assert alike[0] == alike[1] == alike[2]
    vector_env = SyncVectorEnv([Counting] * 3)
    observations, _ = vector_env.reset(seed=0)
    assert [row.shape for row in hearth.probabilities(observations)] == [(3,)] * 3
    assert len(vector_env.step(np.array(hearth.act(observations)))) == 5


def test_the_numbers_of_an_observation_reach_the_policy():
    class Reader:
        def probabilities(self, observations):
            return [np.eye(3)[int(observation.vector[0])] for observation in observations]

    observation = {"prompt": "Now you", "actions": ("a", "b", "c"), "vector": np.array([2])}
    assert Agent(Reader()).act(observation) == 2
    observations, _ = SyncVectorEnv([Counting] * 2).reset(seed=0)
    assert Agent(Reader()).act(observations) == [0, 0]


def test_actions_are_drawn_from_the_policy_by_the_seed_or_are_the_most_probable():
    drawn = Agent(Fixed(0.2, 0.0, 0.8), seed=3).act([TEA] * 1000)
    assert np.bincount(drawn) / 1000 == pytest.approx([0.2, 0, 0.8], abs=0.05)
    assert drawn == Agent(Fixed(0.2, 0.0, 0.8), seed=3).act([TEA] * 1000)
    assert drawn != Agent(Fixed(0.2, 0.0, 0.8), seed=4).act([TEA] * 1000)
    assert Agent(Fixed(0.4, 0.0, 0.6)).act([TEA] * 50, deterministic=True) == [2] * 50


def test_a_caller_who_changes_a_row_does_not_change_the_policy(hearth):
    row = hearth.probabilities(TEA)
    row[:] = 7
    assert hearth.probabilities(TEA).sum() == pytest.approx(1)


def test_an_agent_is_measured_as_the_command_measures(run):
    by_agent = Agent.load(run).evaluate(ENV, episodes=20, seed=5).summary()
    by_command = evaluator_for(run=run).measure(20, 5)
    assert by_agent == {name: by_command[name] for name in by_agent}
    for env in (Counting(), Counting, lambda: Counting(4)):
        assert Agent(Uniform()).evaluate(env, 20) == Agent(Uniform()).evaluate(ENV, 20)
    best = Agent(Fixed(0.5, 0.3, 0.2)).evaluate(ENV, 5, deterministic=True)
    assert best.summary()["success_rate"] == 1.0
    assert Agent(Uniform()).evaluate(ENV, 20, env_kwargs={"limit": 1}) != Agent(Uniform()).evaluate(ENV, 20)


def test_play_yields_each_step_and_does_not_depend_on_what_was_drawn_before():
    agent = Agent(Uniform())
    first = [(step.number, step.action, step.reward) for step in agent.play(ENV, episodes=4, seed=2)]
    agent.act([TEA] * 10)
    assert first == [(step.number, step.action, step.reward) for step in agent.play(Counting(), episodes=4, seed=2)]
    assert {number for number, _, _ in first} == {0, 1, 2, 3}
    (step,) = Agent(Fixed(0.5, 0.3, 0.2)).play(ENV, deterministic=True)
    assert step.episode is not None
    assert step.episode.success


def test_what_plays_by_the_true_state_plays_and_cannot_be_asked_without_an_environment():
    agent = Agent(Planner())
    assert agent.evaluate("FoodPreparation", episodes=1).summary()["success_rate"] == 1.0
    with pytest.raises(twosome.envs.text.EnvError, match="asks the environment"):
        agent.act(TEA)


# -- keeping -------------------------------------------------------------------------------------------


def test_a_saved_agent_is_loaded_as_it_was(run, tmp_path):
    agent = Agent.load(run)
    again = Agent.load(agent.save(tmp_path / "agent"))
    assert again.probabilities(TEA).tolist() == agent.probabilities(TEA).tolist()
    twice = Agent.load(again.save(tmp_path / "twice"))
    assert twice.probabilities(TEA).tolist() == agent.probabilities(TEA).tolist()
    assert str(tmp_path / "agent") in repr(again)


@pytest.mark.parametrize("settings", [{}, {"normalization": "pmi"}, {"normalization": "learned", "env": Counting}])
def test_an_untrained_agent_is_saved_with_its_settings_and_without_its_model(settings, tmp_path):
    agent = Agent.from_pretrained("hearth", **settings)
    again = Agent.load(agent.save(tmp_path / "agent"))
    assert again.probabilities(TEA).tolist() == agent.probabilities(TEA).tolist()
    assert sum(file.stat().st_size for file in (tmp_path / "agent").iterdir()) < 20_000


def test_a_saved_agent_does_not_tell_where_things_lay_on_the_machine_of_its_run(tmp_path):
    opponent = tmp_path / "somebody" / "ttt-1"
    config = TrainConfig(env="OpenSpiel", env_kwargs={"seat": 1, "opponent": str(opponent)}, output=tmp_path / "run")
    actor = Agent.from_pretrained("hearth").actor
    folder = save_policy(actor, config, tmp_path / "agent")
    written = (folder / AGENT).read_text()
    assert str(tmp_path) not in written
    assert json.loads(written)["settings"]["env_kwargs"] == {"seat": 1, "opponent": "ttt-1"}


def test_all_weights_are_saved_where_all_were_trained(tmp_path):
    path = train(counting_run(tmp_path / "run", tuning="full", total_steps=32))
    agent = Agent.load(path)
    again = Agent.load(agent.save(tmp_path / "agent"))
    assert again.probabilities(TEA).tolist() == agent.probabilities(TEA).tolist()


def test_a_folder_that_holds_something_is_not_written_to(hearth, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"is not empty: it holds 'notes.txt'; expected a new or empty folder"):
        hearth.save(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_policy_without_settings_is_not_saved(tmp_path):
    with pytest.raises(ConfigError, match=r"Agent\(Uniform\) cannot be saved"):
        Agent(Uniform()).save(tmp_path / "agent")


def test_a_saved_agent_that_was_changed_is_refused(run, tmp_path):
    folder = Agent.load(run).save(tmp_path / "agent")
    adapter = folder / "adapter_model.safetensors"
    whole = adapter.read_bytes()
    adapter.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CheckpointError, match=r"adapter_model.safetensors is not what was written there"):
        Agent.load(folder)
    adapter.write_bytes(whole)
    with pytest.raises(ConfigError, match=r"expected none, as .* holds one agent"):
        Agent.load(folder, "best")
    content = json.loads((folder / "agent.json").read_text())
    changes: list[dict[str, object]] = [{"trained": "yes"}, {"files": []}, {"more": 1}]
    for change in changes:
        (folder / "agent.json").write_text(json.dumps(content | change))
        with pytest.raises(CheckpointError, match=r"agent.json holds .*expected settings, model_files, trained, files"):
            Agent.load(folder)
    for name in ("adapter_model.safetensors", "calibration.safetensors"):
        files = {other: value for other, value in content["files"].items() if other != name}
        (folder / "agent.json").write_text(json.dumps(content | {"files": files}))
        with pytest.raises(CheckpointError, match=f"expected {name} among them"):
            Agent.load(folder)
    other = content["model_files"] | {"config.json": "0" * 64}
    (folder / "agent.json").write_text(json.dumps(content | {"model_files": other}))
    with pytest.raises(RunError, match="is not the one that the run was trained on"):
        Agent.load(folder)
    (folder / "agent.json").write_text(
        json.dumps(content | {"settings": content["settings"] | {"trust_remote_code": True}})
    )
    with pytest.raises(RunError, match=r"the agent in .* wants to run Python code"):
        Agent.load(folder)


# -- threads and memory --------------------------------------------------------------------------------


class OneAtATime:
    """A policy that notices when it is asked while it answers."""

    def __init__(self) -> None:
        self.asked = 0
        self.at_once = 0

    def probabilities(self, observations):
        self.asked += 1
        self.at_once = max(self.at_once, self.asked)
        time.sleep(0.002)
        self.asked -= 1
        return [np.array([0.5, 0.5]) for _ in observations]


def test_threads_that_share_an_agent_ask_its_policy_one_at_a_time():
    policy = OneAtATime()
    agent = Agent(policy)
    with ThreadPoolExecutor(8) as pool:
        actions = list(pool.map(lambda _: agent.act(BED), range(40)))
        list(pool.map(lambda _: agent.probabilities([BED, BED]), range(10)))
        list(pool.map(lambda seed: agent.evaluate(Wordless, 2, seed=seed), range(8)))
    assert set(actions) == {0, 1}
    assert policy.at_once == 1


class Wordless(Counting):
    """`Counting` with two actions for each of which there is something to say."""

    def __init__(self) -> None:
        super().__init__()
        self.action_space = gymnasium.spaces.Discrete(2)
        parts = self.observation_space.spaces  # type: ignore[attr-defined]
        parts["actions"] = gymnasium.spaces.Tuple(parts["actions"].spaces[:2])

    def observation(self):
        return {**super().observation(), "actions": ("go left", "wait")}

    def action_masks(self):
        return np.ones(2, np.int8)


def test_the_memory_of_an_agent_is_bounded(monkeypatch):
    monkeypatch.setattr(lm_policy, "_CACHED_ACTIONS", 10)  # five rows of two
    agent = Agent.from_pretrained("hearth")
    decisions = [Decision(f"There are {n} cups. Now you", ("wait", "go")) for n in range(12)]
    rows = agent.probabilities(decisions)
    assert len(agent.actor._cache) == 5
    for row, again in zip(rows, agent.probabilities(decisions), strict=True):
        assert row == pytest.approx(again, abs=1e-6)


# -- what is refused, what is said ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (None, "None"),
        ("You wait. Now you", "'You wait"),
        ({"prompt": "Now you"}, "{'prompt'"),
        (3, "3"),
        ([TEA, 3], "3"),
        (({"prompt": "Now you", "actions": ("wait",)}, {"action_mask": [1]}), "{'action_mask'"),
    ],
)
def test_what_is_no_observation_is_refused_with_what_is_expected(given, found):
    with types_unchecked():
        for ask in (Agent(Uniform()).act, Agent(Uniform()).probabilities):
            with pytest.raises(ConfigError, match="expected what an environment returns") as error:
                ask(given)
            assert found in str(error.value)


@pytest.mark.parametrize("policy", [None, "hearth", "random", Uniform, object()])
def test_what_is_no_policy_is_refused(policy):
    with types_unchecked(), pytest.raises(ConfigError, match="expected an object with a method probabilities"):
        Agent(policy)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"normalization": "learned"}, ConfigError, "expected an environment with 'learned'"),
        ({"env": ENV}, ConfigError, "none with the others"),
        ({"normalization": "wrod"}, ConfigError, "wrod"),
        ({"dtype": "float8"}, ConfigError, "float8"),
        ({"model": "./no-such-folder"}, twosome.errors.ModelError, "no-such-folder"),
    ],
)
def test_arguments_that_make_no_agent_are_refused(arguments, error, message):
    with types_unchecked(), pytest.raises(error, match=message):
        Agent.from_pretrained(**arguments)


def test_an_agent_says_what_it_is(hearth, run):
    assert repr(hearth) == "Agent('hearth', untrained, normalization='word', float32 on cpu)"
    assert repr(Agent(Planner())) == "Agent(Planner)"
    assert f"{run}/checkpoints/step-0000000064, normalization='learned'" in repr(Agent.load(run))


def test_only_the_language_models_agent_has_an_actor():
    with pytest.raises(ConfigError, match="has no language model"):
        Agent(Uniform()).actor  # noqa: B018 - the property raises


def test_the_earlier_names_still_serve(hearth):
    assert hearth.distribution(TEA).tolist() == hearth.probabilities(TEA).tolist()
    assert hearth.act(TEA, greedy=True) == hearth.act(TEA, deterministic=True)


@pytest.mark.parametrize("arguments", [{"episodes": 0}, {"seed": -1}, {"episodes": 2, "seed": 2**31 - 1}])
def test_episodes_that_cannot_be_played_are_refused_at_once(arguments):
    for ask in (Agent(Uniform()).play, Agent(Uniform()).evaluate):
        with pytest.raises(ConfigError, match="expected"):
            ask(ENV, **arguments)


def test_an_environment_that_tells_history_is_told_what_the_agents_model_can_read(hearth):
    class Historian(Counting):
        fits: Any = None

    env = Historian()
    played = hearth.play(env)
    next(played)
    assert env.fits("Now you", ["wait"])
    assert not env.fits(" ".join(["word"] * 5000), ["wait"])
    played.close()
    assert env.fits is None
    assert Agent(Uniform()).fits is None
