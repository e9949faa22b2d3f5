"""A file with a suite of tasks: what it says is played, and what it says wrongly is told before anything is."""

from pathlib import Path

import gymnasium
import pytest

import tests.environments
import tests.unruly  # noqa: F401 - both register environments
import twosome
from twosome.errors import ConfigError, RunError
from twosome.evaluate.evaluator import evaluator_for
from twosome.evaluate.suites import read_suite

TWO = """
[[tasks]]
name = "short"
env = "twosome-tests/Counting-v0"
env_kwargs = { limit = 3 }
seeds = [4, 9]

[[tasks]]
name = "long"
env = "twosome-tests/Counting-v0"
seeds = "7-8"
"""


FAILS = 'Unruly-v0"\nenv_kwargs = { fault = "raise", method = "reset", at = 1'


class Halves(twosome.TextEnv):
    """An episode of one action, which succeeds in the test split alone."""

    def begin(self, rng, split):
        return twosome.Turn("You stand at a door.", ["open the door", "knock at the door"])

    def act(self, action):
        return twosome.Turn(reward=float(self.split == "test"), done=True)


gymnasium.register("twosome-tests/Halves-v0", Halves)


def suite_of(tmp_path: Path, text: str, name: str = "counts.toml"):
    (tmp_path / name).write_text(text)
    return read_suite(tmp_path / name)


def test_a_suite_has_its_tasks_with_their_seeds(tmp_path):
    suite = suite_of(tmp_path, TWO)
    assert [(task.name, task.env_kwargs, task.seeds) for task in suite.tasks] == [
        ("short", {"limit": 3}, (4, 9)),
        ("long", {}, (7, 8)),
    ]
    assert (suite.called, suite.result, suite.episodes) == ("suite counts", "generalization-suite-counts", 2)


def test_the_hash_of_a_suite_is_that_of_what_is_played(tmp_path):
    def hash_of(text: str) -> str:
        return suite_of(tmp_path, text).told["suite_hash"]

    same = TWO.replace('"7-8"', "[7,\n8] # two").replace("Counting-v0", "Counting")
    assert hash_of(same) == hash_of(TWO)
    changed = [("limit = 3", "limit = 4"), ("[4, 9]", "[9, 4]"), ('"7-8"', '"8-9"'), ('"long"', '"longer"')]
    assert len({hash_of(TWO), *(hash_of(TWO.replace(*words)) for words in changed)}) == 5


@pytest.mark.parametrize(
    ("words", "in_place", "message"),
    [
        ("seeds = [4, 9]", "seed = [4, 9]", "task 1 of the suite .* has the key 'seed'.* Did you mean 'seeds'"),
        ("[[tasks]]", "[[task]]", "the suite .* has the key 'task'.* Did you mean 'tasks'"),
        (TWO, "", "has tasks = None; expected 1 to 300 tables"),
        (TWO, "tasks = [1]", "task 1 of the suite .* is 1; expected a table"),
        ("seeds = [4, 9]", "", "task 1 of the suite .* has no seeds"),
        ("[4, 9]", "[]", "has no seeds, or an empty one"),
        ("[4, 9]", "[4]", "seeds = .4.; expected 2 to 100,000 different whole numbers"),
        ("[4, 9]", "[4, 4]", "expected 2 to 100,000 different whole numbers"),
        ("[4, 9]", "[4, true]", "expected 2 to 100,000 different whole numbers"),
        ("[4, 9]", "[4, 4294967296]", "whole numbers from 0 to 2,147,483,647"),
        ("7-8", "8-7", "seeds = '8-7'; expected 2 to 100,000"),
        ("7-8", "0-9999999999", "expected 2 to 100,000"),
        ("7-8", "7-9", "task 2 of the suite .* has 3 seeds and the first task 2; expected as many"),
        ('"long"', '"short"', "task 2 of the suite .* has name = 'short', as another row has"),
        ('"long"', '"all tasks"', "task 2 of the suite .* has name = 'all tasks', as another row has"),
        ('"long"', "7", "task 2 of the suite .* has name = 7; expected a text"),
        ('"long"', '"a\\nb"', "expected at most 100 printable characters"),
        ("{ limit = 3 }", "3", "has env_kwargs = 3; expected a table"),
        ("{ limit = 3 }", "{ limit = 1979-05-27 }", "expected what JSON can say, but"),
        ("limit = 3", "limits = 3", "the task 'short' of the suite .* cannot be played: .*no argument 'limits'"),
        (
            'Counting-v0"\nenv_kwargs = { limit = 3',
            FAILS,
            "'short' of the suite .* cannot be played: .*the server is gone",
        ),
        ("Counting-v0", "Countin-v0", "the task 'short' of the suite .* cannot be played: there is no environment"),
        ("[[tasks]]", "[[tasks", "is not TOML"),
    ],
)
def test_what_is_wrong_in_a_suite_is_said_before_anything_is_played(tmp_path, words, in_place, message):
    with pytest.raises(ConfigError, match=message):
        suite_of(tmp_path, TWO.replace(words, in_place))


def test_a_suite_needs_a_file_with_a_name_and_consent_to_import(tmp_path):
    with pytest.raises(ConfigError, match=r"there is no file .*; expected the TOML file of a suite"):
        read_suite(tmp_path / "missing.toml")
    with pytest.raises(ConfigError, match="Rename the file"):
        suite_of(tmp_path, TWO, "my counts!.toml")
    with pytest.raises(RunError, match=r"the suite .* wants to import the Python module 'no_such'.*--trust-env-module"):
        suite_of(tmp_path, TWO.replace("twosome-tests/", "no_such:twosome-tests/"))


def test_the_test_split_of_an_environment_is_asked_for_by_name():
    found = {
        split: evaluator_for(policy="random", env="twosome-tests/Halves-v0", split=split).measure(2, 0)
        for split in ("train", "test")
    }
    assert {split: result["success_rate"] for split, result in found.items()} == {"train": 0.0, "test": 1.0}
    assert found["test"]["env_kwargs"] == {"split": "test"}
    with pytest.raises(ConfigError, match="TomatoSalad-v0 has no argument 'split'"):
        evaluator_for(policy="random", env="TomatoSalad", split="test")
