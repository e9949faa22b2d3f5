"""Who trains from Python hears of updates and checkpoints, stops a run, and brings an environment of their own."""

from dataclasses import replace
from pathlib import Path

import gymnasium
import pytest

import tests.environments
from tests.unchecked import types_unchecked
from twosome.agent import Agent
from twosome.cli import main
from twosome.config import TrainConfig
from twosome.envs import callables
from twosome.errors import ConfigError, EnvError
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory


@pytest.fixture
def config(tmp_path) -> TrainConfig:
    return tests.environments.counting_run(tmp_path / "run", checkpoint_every=32, keep_checkpoints=9)


def rows_of(path):
    rows = RunDirectory.open(path).read_metrics()
    return [{name: value for name, value in row.items() if not name.endswith("_s")} for row in rows]


def test_each_update_and_each_checkpoint_is_told_once_it_is_written(config):
    updates: list[dict] = []
    checkpoints: list[str] = []

    def on_checkpoint(folder):
        assert (folder / "manifest.json").is_file()
        checkpoints.append(folder.name)

    path = train(config, updates.append, on_checkpoint=on_checkpoint)
    assert updates == RunDirectory.open(path).read_metrics()
    assert checkpoints == RunDirectory.open(path).checkpoints()
    assert len(checkpoints) == 4


def test_a_run_that_is_stopped_has_a_checkpoint_and_goes_on_as_if_it_had_not_been(config, tmp_path):
    whole = train(replace(config, output=tmp_path / "whole", checkpoint_every=96))
    stopped = train(replace(config, checkpoint_every=96), stop=lambda metrics: metrics["update"] == 2)
    assert RunDirectory.open(stopped).checkpoints()[-1] == "step-0000000064"
    resume(stopped)
    assert rows_of(stopped) == rows_of(whole)


def test_a_resumed_run_is_told_of_and_stopped_too(config):
    path = train(config, stop=lambda metrics: True)
    updates: list[dict] = []
    checkpoints: list[Path] = []
    resume(path, updates.append, on_checkpoint=checkpoints.append, stop=lambda metrics: True)
    assert [row["update"] for row in updates] == [2]
    assert [folder.name for folder in checkpoints] == ["step-0000000064"]


def test_an_environment_that_a_function_makes_trains_as_the_one_with_a_name(config, tmp_path):
    named = train(config)
    made = train(
        replace(config, output=tmp_path / "made"),
        env=lambda **kwargs: tests.environments.Counting(**kwargs),
    )
    assert rows_of(made) == rows_of(named)
    assert RunDirectory.open(made).read_config()["env"].startswith("callable/")


def test_it_is_resumed_by_handing_the_environment_in_again_and_not_by_a_command(config, capsys):
    path = train(config, env=tests.environments.Counting, stop=lambda metrics: metrics["update"] == 1)
    name = RunDirectory.open(path).read_config()["env"]
    gymnasium.registry.pop(name)  # as in another process
    with pytest.raises(EnvError, match=r"made by a Python function.*twosome\.resume\(run, env=the_function\)"):
        resume(path)
    assert main(["train", "--resume", str(path)]) == 1
    assert "twosome.resume(run, env=the_function)" in " ".join(capsys.readouterr().err.split())
    resume(path, env=tests.environments.Counting)
    assert len(rows_of(path)) == 3
    assert Agent.load(path)


def test_what_makes_no_new_environment_is_refused(config):
    one = tests.environments.Counting()
    with types_unchecked(), pytest.raises(ConfigError, match="expected a function or class"):
        train(config, env=one)
    with pytest.raises(EnvError, match="the same one twice"):
        train(config, env=lambda **kwargs: one)
    with pytest.raises(EnvError, match="cannot be made"):
        train(config, env=lambda **kwargs: 3)
    assert not config.folder.exists()


def test_a_run_whose_environment_has_a_name_takes_no_other(config):
    path = train(config, stop=lambda metrics: True)
    with pytest.raises(ConfigError, match="has a name"):
        resume(path, env=tests.environments.Counting)


def test_two_functions_of_one_name_are_two_environments():
    first, second = (lambda: None), (lambda: None)
    names = [callables.register(make) for make in (first, second, first)]
    assert names[0] == names[2] != names[1]
