"""An algorithm in a file of its own: the code of docs/your-own-algorithm.md; and what is said where one is none."""

import re
import shlex
import sys
from pathlib import Path

import pytest
import torch

import tests.environments
from tests.ranks import begin_command
from twosome import algorithms
from twosome.agent import Agent
from twosome.algorithms import algorithm_class, qualified, register_algorithm
from twosome.config import TrainConfig
from twosome.errors import ConfigError, RunError
from twosome.ppo.credit import Algorithm, Credit, whole_actions
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory

PAGE = (Path(__file__).parents[2] / "docs" / "your-own-algorithm.md").read_text()
START = tests.environments.decision("You have decided 0 times. Now you", 0)


@pytest.fixture
def registry(monkeypatch):
    """What is registered in a test is forgotten after it."""
    monkeypatch.setattr(algorithms, "_KNOWN", dict(algorithms._KNOWN))


@pytest.fixture
def plain(tmp_path, monkeypatch, registry):
    """A folder with the file that the page writes."""
    (code,) = re.findall(r"```python\n# plain\.py\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "plain.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("plain", None)


def test_the_algorithm_of_the_page_learns_the_best_action_and_goes_on_where_it_was(plain):
    config = tests.environments.counting_run(plain / "run", total_steps=640, algorithm="plain:reinforce")
    train(config, stop=lambda metrics: metrics["update"] == 2)
    path = resume(plain / "run")
    rows = RunDirectory.open(path).read_metrics()
    assert rows[-1]["return_mean"] > 0.9 > rows[0]["return_mean"]
    assert "value_loss" not in rows[0]
    assert Agent.load(path).distribution(START)[0] > 0.8


def test_the_command_of_the_page_trains_with_it(plain):
    (command,) = re.findall(r"^twosome train .*--algorithm plain:.*$", PAGE, re.MULTILINE)
    _, *words = shlex.split(command.replace("2560", "128"))
    output = plain / "output"
    process = begin_command([*words, "--output", "run", "--no-show"], output, output, plain)
    process.join()
    assert process.exitcode == 0, output.read_text()
    assert RunDirectory.open(plain / "run").read_config()["algorithm"] == "plain:reinforce"


def test_a_run_remembers_the_module_of_an_algorithm_and_importing_it_takes_consent(plain):
    __import__("plain")
    assert qualified("reinforce") == "plain:reinforce"
    config = tests.environments.counting_run(plain / "run", algorithm="reinforce")
    path = train(config, stop=lambda metrics: True)
    assert RunDirectory.open(path).read_config()["algorithm"] == "plain:reinforce"
    del sys.modules["plain"]
    del algorithms._KNOWN["reinforce"]
    with pytest.raises(RunError, match=r"the Python module 'plain' for its algorithm .*trust_env_module"):
        resume(path)
    Agent.load(path)  # needs no algorithm
    assert resume(path, trust_env_module=True) == path


def test_a_name_that_nobody_has_registered_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match=r"Did you mean 'grpo'\? Expected one of ppo, poad, grpo"):
        TrainConfig(algorithm="grop")
    with pytest.raises(ConfigError, match=r"importing the module 'no_such_module' failed"):
        algorithm_class("no_such_module:mine")
    with pytest.raises(ConfigError, match=r"the module 'twosome\.decision' registers none"):
        algorithm_class("twosome.decision:mine")


def test_a_name_is_taken_once(registry):
    with pytest.raises(ConfigError, match="already"):
        register_algorithm("ppo")(type("Other", (), {}))
    with pytest.raises(ConfigError, match="expected letters"):
        register_algorithm("my:own")


def test_credit_of_another_shape_is_refused_by_name(registry, tmp_path):
    @register_algorithm("short", critic=False)
    class Short(Algorithm):
        def credit(self, rollout, values_of):
            return Credit(whole_actions(rollout), torch.zeros(3))

    with pytest.raises(ConfigError, match=r"'.*short'.* advantages have the shape \(3,\); expected \(32,\)"):
        train(tests.environments.counting_run(tmp_path / "run", algorithm="short"))


def test_one_without_a_critic_must_not_ask_it(registry, tmp_path):
    @register_algorithm("asking", critic=False)
    class Asking(Algorithm):
        def credit(self, rollout, values_of):
            return Credit(whole_actions(rollout), values_of(["a"]))

    with pytest.raises(ConfigError, match="critic=False asks for the values"):
        train(tests.environments.counting_run(tmp_path / "run", algorithm="asking"))
