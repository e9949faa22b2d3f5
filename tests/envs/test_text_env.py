"""The base class for environments of one's own."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import twosome
from tests.environments import counting_run
from tests.unchecked import types_unchecked
from twosome.cli import main
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import CheckedEnv, limit_prompts
from twosome.envs.text_env import TextEnv
from twosome.errors import ConfigError, EnvError
from twosome.policy.uniform import Uniform
from twosome.ppo.state import RestartedEpisodesWarning
from twosome.rollout import Collector
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer


@pytest.fixture(autouse=True)
def as_in_use() -> Iterator[None]:
    """Without the tests' check of all types, which would come first."""
    with types_unchecked():
        yield


GO = {"observation": "A.", "actions": ["go"]}


class Hall(twosome.TextEnv):
    """A hall of rooms in a row; the treasure is in the last one, and the way back is open but for the first."""

    history = 2
    max_steps: int | None = 8
    lengths = {"train": (2, 3), "test": (4, 4)}  # noqa: RUF012

    def begin(self, rng: np.random.Generator, split: str) -> twosome.Turn:
        low, high = self.lengths[split]
        self.room, self.last = 0, int(rng.integers(low, high + 1))
        self.goal = f"You want the treasure in room {self.last}."
        return self.look()

    def act(self, action: int) -> twosome.Turn:
        self.room += action
        if self.room == self.last:
            return twosome.Turn("You have it.", score=100, done=True, success=True)
        return self.look()

    def look(self) -> twosome.Turn:
        ways = {"go on": 1} if self.room == 0 else {"go on": 1, "go back": -1, "wait": 0}
        return twosome.Turn(f"You are in room {self.room}.", ways, score=10 * self.room)


class Keeping(Hall):
    def save_state(self) -> dict[str, Any]:
        return {"room": self.room, "last": self.last}

    def load_state(self, state: dict[str, Any]) -> twosome.Turn:
        self.room, self.last = state["room"], state["last"]
        return self.look()


class Long(Hall):
    """The last room but one of the longest halls has more to see than a small model can read."""

    def look(self) -> twosome.Turn:
        turn = super().look()
        much = "There are a table and a chair. " * 99 if self.room == 2 else ""
        return twosome.Turn(f"{turn.observation} {much}", turn.actions, score=turn.score)


gymnasium.register("twosome-tests/Long-v0", Long)
gymnasium.register("twosome-tests/Hall-v0", Hall)
gymnasium.register("twosome-tests/Keeping-v0", Keeping)


class Told(twosome.TextEnv):
    """Says what it is told to say, one turn after the other."""

    def __init__(self, *turns: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.turns = turns
        self.heard: list[Any] = []

    def begin(self, rng: np.random.Generator, split: str) -> Any:
        self.waiting = iter(self.turns)
        return next(self.waiting)

    def act(self, action: Any) -> Any:
        self.heard.append(action)
        return next(self.waiting)


def checked(*turns: Any) -> tuple[Told, CheckedEnv]:
    env = Told(*turns)
    return env, CheckedEnv(env)


def test_a_prompt_is_the_goal_the_last_observations_with_what_was_done_the_observation_and_the_cue() -> None:
    env = CheckedEnv(Hall())
    first = env.reset(0)
    goal = first.prompt.split(". ")[0] + "."
    assert first == Decision(f"{goal} You are in room 0. Now you", ("go on",))
    env.step(0)
    env.step(2)
    third = env.step(1).decision
    assert third is not None
    told = "You are in room 1. You wait. You are in room 1. You go back."
    assert third.prompt == f"{goal} {told} You are in room 0. Now you"


def test_act_is_handed_the_phrase_or_what_the_dict_has_for_it() -> None:
    env, environment = checked(
        twosome.Turn("A.", ["go", "wait"]), twosome.Turn("B.", {"fly": 7, "run": None}), twosome.Turn(done=True)
    )
    environment.reset()
    environment.step(1)
    environment.step(1)
    assert env.heard == ["wait", None]


def test_a_phrase_that_stands_in_a_list_twice_is_one_action() -> None:
    env, environment = checked(twosome.Turn("A.", ["go", "wait", "go", "run"]), twosome.Turn(done=True))
    assert environment.reset().actions == ("go", "wait", "run")
    environment.step(2)
    assert env.heard == ["run"]


def test_rewards_are_as_given_or_what_the_score_has_grown_by() -> None:
    go = ["go"]
    _, env = checked(twosome.Turn("A.", go), twosome.Turn("B.", go, reward=-2.5), twosome.Turn("C.", go))
    env.reset()
    assert [env.step(0).reward for _ in range(2)] == [-2.5, 0.0]
    scores = (5, 20, 15.5)
    _, env = checked(*(twosome.Turn("A.", go, score=score) for score in scores), twosome.Turn("A.", go))
    for _ in range(2):
        env.reset()
        assert [env.step(0).reward for _ in range(3)] == [15.0, -4.5, 0.0]


@pytest.mark.parametrize(
    ("turn", "success"),
    [
        ({"reward": 1.0}, True),
        ({"reward": 0.0}, False),
        ({"score": 3}, True),
        ({"reward": 1.0, "success": False}, False),
        ({"success": True}, True),
    ],
)
def test_success_is_what_is_said_or_else_a_last_reward(turn: dict[str, Any], success: bool) -> None:
    _, env = checked(twosome.Turn("A.", ["go"]), twosome.Turn(done=True, **turn))
    env.reset()
    step = env.step(0)
    assert (step.terminated, step.truncated, step.success) == (True, False, success)


def test_an_episode_is_cut_off_after_its_actions_and_an_episode_that_is_done_is_not() -> None:
    env = Hall()
    environment = CheckedEnv(env)
    environment.reset(0)
    steps = [environment.step(0), *(environment.step(2) for _ in range(7))]
    assert [step.truncated for step in steps] == [False] * 7 + [True]
    assert steps[-1].prompt is not None
    environment.reset(0)
    env.max_steps = env.last
    *_, step = (environment.step(0) for _ in range(env.last))
    assert (step.terminated, step.truncated, step.success) == (True, False, True)


def test_the_split_is_an_argument_of_the_environment() -> None:
    prompts = {}
    for split in ("train", "test"):
        with text.make_checked("twosome-tests/Hall-v0", split=split) as env:
            prompts[split] = {env.reset(seed).prompt for seed in range(30)}
    assert len(prompts["train"]) == 2
    assert len(prompts["test"]) == 1
    assert not prompts["train"] & prompts["test"]
    with pytest.raises(ConfigError, match=r"split='tset' is unknown here; .* Did you mean 'test'"):
        text.make("twosome-tests/Hall-v0", split="tset")


def test_a_class_with_a_constructor_of_its_own_need_not_call_ours() -> None:
    class Bare(Hall):
        def __init__(self) -> None:
            pass

    assert CheckedEnv(Bare()).reset(0).actions == ("go on",)


@pytest.mark.parametrize(
    ("turns", "message"),
    [
        ([None], "episode 1, reset: expected begin to return a twosome.Turn, found None"),
        ([{**GO, "done": True}], "expected begin to return a Turn that is not done"),
        ([{**GO, "reward": 1.0}], "expected begin to return a Turn that is not done"),
        ([{"observation": "A."}], "no action is available"),
        ([GO, "B."], "step 1, action 0 'go': expected act to return a twosome.Turn, found 'B.'"),
        ([GO, {"actions": []}], "step 1, .*no action is available"),
        ([GO, {**GO, "reward": "1"}], "expected the reward"),
        ([GO, {"done": "yes"}], "expected terminated"),
        ([GO, {"done": True, "success": 1}], "success"),
    ],
)
def test_what_is_no_turn_is_an_error_that_names_the_place(turns: list[Any], message: str) -> None:
    _, env = checked(*(twosome.Turn(**turn) if isinstance(turn, dict) else turn for turn in turns))

    def play() -> None:
        env.reset(3)
        env.step(0)

    with pytest.raises(EnvError, match=message) as caught:
        play()
    assert str(caught.value).startswith("Told, seed 3, ")


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"observation": None}, "expected the observation to be a text"),
        ({"actions": "go"}, "expected the actions to be a list of phrases, or a dict"),
        ({"actions": ["go", 3]}, "expected the actions"),
        ({"actions": {1: "go"}}, "expected the actions"),
        ({"actions": {"go", "wait"}}, "expected the actions"),
        ({"reward": 1.0, "score": 2.0}, "expected a reward or a score, found both"),
        ({"score": "7"}, "expected the score to be a number"),
        ({"score": True}, "expected the score to be a number"),
    ],
)
def test_a_turn_of_the_wrong_parts_cannot_be_made(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(EnvError, match=message):
        twosome.Turn(**parts)


def test_there_is_nothing_to_do_before_an_episode_and_after_it() -> None:
    env, _ = checked(twosome.Turn("A.", ["go"]), twosome.Turn(done=True))
    with pytest.raises(EnvError, match=r"call reset\(\) first"):
        env.step(0)
    env.reset()
    with pytest.raises(EnvError, match="expected an index from 0 to 0"):
        env.step(1)
    env.step(0)
    with pytest.raises(EnvError, match=r"call reset\(\) first"):
        env.step(0)


# -- where the context ends ----------------------------------------------------------------------------


def told_within(limit: int, history: int, steps: int) -> str:
    """The prompt of a long walk where a model takes so many characters."""
    env = Hall("test")
    env.history, env.max_steps = history, None
    environment = CheckedEnv(limit_prompts(env, lambda prompt, phrases: len(prompt) <= limit))
    environment.reset(0)
    environment.step(0)
    for i in range(steps):
        environment.step(2 if i % 2 else 0 if i % 4 == 0 else 1)
    return environment.observation.prompt


def test_the_oldest_history_is_left_out_first_and_neither_goal_nor_observation() -> None:
    whole = told_within(10_000, 6, 9)
    goal, last = whole.split(". ")[0], " You are in room 2. Now you"
    assert whole.count(" You are in") == 7
    for limit in range(len(goal + "." + last), len(whole)):
        prompt = told_within(limit, 6, 9)
        past = prompt.removeprefix(goal + ".").removesuffix(last)
        assert prompt == goal + "." + past + last
        assert whole.endswith(past + last)
        assert past == "" or past.startswith(" You are in")
        following = whole.removesuffix(past + last).rpartition(" You are in")
        assert len(prompt) + len(following[1] + following[2]) > limit


def test_a_goal_and_observation_that_do_not_fit_are_an_error_that_names_the_place() -> None:
    with pytest.raises(EnvError, match=r"Hall, seed 0, episode 1, reset: .* does not fit into the model's context"):
        told_within(20, 2, 3)


@pytest.mark.parametrize("settings", [{}, {"normalization": "learned"}])
def test_a_prompt_that_is_too_long_somewhere_is_an_error_before_the_run(tmp_path: Path, settings: Any) -> None:
    with pytest.raises(EnvError, match=r"Long-v0, seed \d+, episode \d+, step \d, .* does not fit into the model's"):
        twosome.train(hall_run(tmp_path / "run", "Long", **settings))
    assert not (tmp_path / "run").exists()


def test_a_models_own_tokens_decide_what_fits() -> None:
    scorer = ActionScorer.from_pretrained("hearth")
    env = Hall("test")
    env.history, env.max_steps, env.lengths = 100, None, {"test": (30, 30)}
    with Collector(lambda: limit_prompts(env, scorer.fits), 1, 0.9, 0) as collector:
        rollout = collector.collect(Uniform(), 80, np.random.default_rng(0))
    decisions = [decision for row in rollout.decisions for decision in row]
    lengths = [len(scorer.encoder.prompt_ids(decision.prompt)) for decision in decisions]
    assert scorer.encoder.max_length is not None
    assert scorer.encoder.max_length - 20 < max(lengths) <= scorer.encoder.max_length
    scorer.log_probs(decisions)


def test_a_prompt_fits_with_the_longest_of_its_phrases() -> None:
    scorer = ActionScorer.from_pretrained("hearth")
    words = ["room"] * 1000
    fitting = [n for n in range(0, 1000, 10) if scorer.fits(" ".join(["Now", *words[:n]]), ["go"])]
    assert 0 < len(fitting) < 100
    longest = " ".join(["Now", *words[: max(fitting)]])
    assert scorer.fits(longest, [])
    assert not scorer.fits(longest, ["go", "go to the room with the table and the chair and the bed and the lamp"])


# -- saving and going on -------------------------------------------------------------------------------


def hall_run(path: Path, name: str, **settings: Any) -> TrainConfig:
    config = counting_run(path, rollout_steps=8, total_steps=48, checkpoint_every=16)
    return TrainConfig(**{**vars(config), "env": f"twosome-tests/{name}-v0", **settings})


def test_environments_that_save_their_state_keep_the_contract_and_resume_to_the_bit(tmp_path: Path) -> None:
    text.check_contract(text.make("twosome-tests/Keeping-v0"))
    whole = twosome.train(hall_run(tmp_path / "whole", "Keeping"))

    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twosome.train(hall_run(tmp_path / "broken", "Keeping"), stop)
    broken = twosome.resume(tmp_path / "broken")
    last = [RunDirectory.open(path).checkpoint("last") / "adapter_model.safetensors" for path in (whole, broken)]
    assert last[0].read_bytes() == last[1].read_bytes()


def test_environments_that_do_not_save_theirs_begin_anew_and_say_so(tmp_path: Path) -> None:
    assert not hasattr(Hall(), "get_state")
    assert not hasattr(Hall(), "set_state")
    text.check_contract(text.make("twosome-tests/Hall-v0"))

    def stop(metrics: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        twosome.train(hall_run(tmp_path / "run", "Hall"), stop)
    with pytest.warns(RestartedEpisodesWarning, match="cannot restore its state"):
        twosome.resume(tmp_path / "run")


@pytest.mark.parametrize(
    "change",
    [{"past": "x"}, {"past": [1]}, {"goal": None}, {"steps": "3"}, {"np_random": {}}, {"score": "1"}, {"x": 1}],
)
def test_a_damaged_state_is_refused(change: dict[str, Any]) -> None:
    env = CheckedEnv(Keeping())
    env.reset(0)
    state = env.get_state()
    with pytest.raises(EnvError, match="the saved state is damaged"):
        env.set_state({**state, **change}, env.position)


def test_a_run_is_evaluated_on_tasks_that_it_never_met(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = twosome.train(hall_run(tmp_path / "run", "Hall"))
    assert main(["eval", str(path), "--env-kwargs", '{"split": "test"}', "--episodes", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["env_kwargs"] == {"split": "test"}
    assert found["decisions_mean"] >= 4  # all test tasks have as many rooms, and those of training have fewer


def test_the_names_are_those_of_the_package() -> None:
    assert twosome.TextEnv is TextEnv
    assert {"TextEnv", "Turn"} <= set(twosome.__all__)


def test_the_example_in_the_classs_own_words_runs() -> None:
    code = re.search(r"::\n\n(.*?)\n\n    A model reads", TextEnv.__doc__ or "", re.S)
    assert code is not None
    names: dict[str, Any] = {"twosome": twosome}
    exec("\n".join(line.removeprefix(" " * 8) for line in code[1].split("\n")), names)
    text.check_contract(names["Light"]())
