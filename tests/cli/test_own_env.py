"""Writing an environment of one's own: the template, and what check-env says."""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

import twosome
from tests.ranks import begin_command
from tests.unchecked import types_unchecked
from twosome.cli import main
from twosome.envs.spaces import PhraseIndex, text_observation
from twosome.evaluate.env_check import EnvCheck, check_env
from twosome.scoring import ActionScorer

HEARTH = ActionScorer.from_pretrained("hearth")


class Odd(gymnasium.Env[dict[str, Any], Any]):
    """A good environment that `change` may spoil: it is handed the number of the step, and the answer to change."""

    def __init__(self, change: Callable[[int, list[Any]], None] = lambda step, answer: None) -> None:
        self.action_space, self.observation_space = PhraseIndex(), text_observation()
        self.change = change

    def observation(self) -> dict[str, Any]:
        return {"prompt": f"It is {self.count} o'clock. Now you", "actions": ["wait", "go home", "sing"][: self.size]}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.count, self.size = int(self.np_random.integers(9)), 3
        return self.observation(), {}

    def step(self, action: int) -> Any:
        self.count += 1
        self.size = 1 + int(self.np_random.integers(3))
        answer: list[Any] = [self.observation(), float(action == 1), self.count > 12, False, {}]
        self.change(self.count, answer)
        return tuple(answer)


class Saving(Odd):
    def get_state(self) -> dict[str, Any]:
        return {"count": self.count, "size": self.size, "generator": self.np_random.bit_generator.state}

    def set_state(self, state: dict[str, Any]) -> None:
        self.count, self.size = state["count"], state["size"]
        self.np_random.bit_generator.state = state["generator"]


def checked(make: Callable[[], Any], **settings: Any) -> EnvCheck:
    gymnasium.register("twosome-tests/Odd-v0", lambda **kwargs: make(**kwargs))
    try:
        with types_unchecked():
            return check_env("twosome-tests/Odd-v0", **settings)
    finally:
        gymnasium.registry.pop("twosome-tests/Odd-v0")


def faults(make: Callable[[], Any], **settings: Any) -> str:
    return "\n".join(f"{fault.measured} -> {fault.remedy}" for fault in checked(make, **settings).faults)


# -- new-env -------------------------------------------------------------------------------------------


def test_a_new_environment_passes_its_test_its_check_and_is_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def carry_out(*words: str) -> str:
        process = begin_command(words, Path("output"), Path("output"), tmp_path)
        process.join()
        said = Path("output").read_text()
        assert process.exitcode == 0, said
        return said

    assert main(["new-env", "old_pantry"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["old_pantry.py", "test_old_pantry.py"]
    assert "twosome train --env old_pantry:OldPantry" in capsys.readouterr().out
    assert "emplate" not in (tmp_path / "old_pantry.py").read_text() + (tmp_path / "test_old_pantry.py").read_text()
    source = str(Path(twosome.__file__).parents[1])
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_old_pantry.py"],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "3 passed" in answer.stdout, answer.stdout + answer.stderr
    said = carry_out("check-env", "old_pantry:OldPantry", "--model", "hearth")
    assert "No faults" in said
    assert "Good to know" not in said
    small = ["--num-envs", "1", "--rollout-steps", "16", "--total-steps", "16", "--no-show"]
    carry_out("train", "--env", "old_pantry:OldPantry", *small, "--output", "run")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Pantry", "expected that of a Python module"),
        ("my-pantry", "expected that of a Python module"),
        ("../x", "expected that of a Python module"),
        ("class", "expected that of a Python module"),
        ("_", "expected that of a Python module"),
        ("json", "there is a module 'json' already"),
    ],
)
def test_a_name_that_no_new_module_can_have_is_refused(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new-env", name, "--folder", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "test_pantry.py").write_text("mine")
    assert main(["new-env", "pantry", "--folder", str(tmp_path)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


# -- check-env -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Odd, Saving])
def test_a_good_environment_has_no_faults(kind: Any) -> None:
    found = checked(kind)
    assert not found.faults
    said = " ".join(advice.measured for advice in found.advice)
    assert ("cannot save its state" in said) == (kind is Odd)
    assert found.facts["decisions"] == 200
    assert found.facts["actions_min"] == 1
    assert found.facts["actions_max"] == 3
    assert found.facts["episodes"]


def test_faults_of_several_kinds_are_told_at_once_each_with_its_place_its_count_and_a_remedy() -> None:
    calls = itertools.count()

    def spoil(step: int, answer: list[Any]) -> None:
        call = next(calls) % 12
        if call == 1:
            answer[1] = "1"
        if call == 4:
            answer[0], answer[2] = {"prompt": "Now you ", "actions": ["go"]}, False
        if call == 7:
            answer[4] = {"success": 1}
        if call == 10:
            raise KeyError("x")

    found = checked(lambda: Saving(spoil))
    whats = [fault.measured for fault in found.faults]
    for part in ("the reward", "without a blank at its end", '"success"', "the environment raised KeyError"):
        (fault,) = [fault for fault in found.faults if part in fault.measured]
        assert "Odd-v0, seed " in fault.measured or "Odd-v0, without a seed" in fault.measured
        assert fault.remedy
    assert len(whats) == 4
    assert sum(fault.times for fault in found.faults) > 4


def test_what_keeps_an_environment_from_being_made_or_begun_is_a_fault() -> None:
    def broken() -> Any:
        raise ZeroDivisionError

    assert "cannot be made" in faults(broken)

    class NoBegin(Odd):
        def reset(self, **kwargs: Any) -> Any:
            return None

    assert "expected reset to return (observation, info)" in faults(NoBegin)


def test_random_numbers_of_its_own_are_a_fault() -> None:
    class Own(Odd):
        def reset(self, **kwargs: Any) -> Any:
            answer = super().reset(**kwargs)
            self.count = int(np.random.default_rng().integers(1000))
            return self.observation(), answer[1]

    assert "lead elsewhere the second time" in faults(Own)


def test_a_state_that_forgets_something_and_a_close_that_fails_are_faults() -> None:
    class Forgetful(Saving):
        def set_state(self, state: dict[str, Any]) -> None:
            self.count, self.size = state["count"], state["size"]

        def close(self) -> None:
            raise OSError("still open")

    found = faults(Forgetful)
    assert "after set_state(get_state())" in found
    assert "was closed it raised OSError('still open')" in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda step, answer: answer.__setitem__(2, False), "No episode has ended within 200"),
        (lambda step, answer: answer.__setitem__(1, 0.0), "no reward in 200 decisions"),
        (lambda step, answer: answer.__setitem__(1, 100.0), "Rewards are as large as 100"),
        (lambda step, answer: answer[0].update(actions=["go", "go"]), "have the same phrase, such as 'go'"),
        (lambda step, answer: answer[0].update(prompt="It is late."), "end a sentence"),
    ],
)
def test_what_is_unusual_is_advice_and_no_fault(change: Any, message: str) -> None:
    found = checked(lambda: Saving(change))
    assert not found.faults
    (advice,) = [advice for advice in found.advice if message in advice.measured]
    assert advice.remedy


def test_a_split_that_makes_no_difference_is_said() -> None:
    class Same(twosome.TextEnv):
        def begin(self, rng: Any, split: str) -> twosome.Turn:
            return twosome.Turn(f"It is {rng.integers(9)} o'clock.", ["go"])

        def act(self, action: str) -> twosome.Turn:
            return twosome.Turn(reward=1.0, done=True)

    found = checked(Same)
    assert not found.faults
    assert any("there are no tasks that training never meets" in advice.measured for advice in found.advice)


def test_prompts_that_a_model_cannot_hold_are_a_fault_with_their_tokens() -> None:
    def talk(step: int, answer: list[Any]) -> None:
        if step == 10:
            answer[0]["prompt"] = "It is late and " * 400 + "now you"

    said = faults(lambda: Saving(talk), scorer=HEARTH)
    assert "do not fit into the context of hearth: up to 2," in said
    assert "tokens of 512" in said
    assert "Shorten the prompt" in said


def test_history_that_is_left_out_is_counted_and_no_fault() -> None:
    class Talking(twosome.TextEnv):
        history = 9
        max_steps = 10

        def begin(self, rng: Any, split: str) -> twosome.Turn:
            return twosome.Turn("You hear a long story about a cat in a house by the sea. " * 8, ["go", "wait"])

        def act(self, action: str) -> twosome.Turn:
            return self.begin(None, "train")

    found = checked(Talking, scorer=HEARTH, steps=40)
    assert not found.faults
    assert found.facts["prompts_shortened"]
    assert 256 < (found.facts["tokens_max"] or 0) <= 512
    assert found.facts["scoring_ms"]


def test_the_command_ends_with_1_if_there_are_faults_and_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    gymnasium.register("twosome-tests/Bad-v0", lambda: Odd(lambda step, answer: answer.__setitem__(1, "1")))
    try:
        with types_unchecked():
            assert main(["check-env", "twosome-tests/Bad-v0", "--json"]) == 1
            found = json.loads(capsys.readouterr().out)
            assert main(["check-env", "twosome-tests/Bad-v0"]) == 1
    finally:
        gymnasium.registry.pop("twosome-tests/Bad-v0")
    assert "the reward" in found["faults"][0]["what"]
    printed = " ".join(capsys.readouterr().out.split())
    assert "1 faults" not in printed
    assert "1. twosome-tests/Bad-v0, seed" in printed
    assert "-> Return float(reward)" in printed


def test_the_fixed_number_of_actions_is_checked_too() -> None:
    class Wrong(Odd):
        def __init__(self) -> None:
            super().__init__()
            self.action_space = spaces.Discrete(2)

    assert 'expected observation_space to be a Dict with "prompt"' in faults(Wrong)
