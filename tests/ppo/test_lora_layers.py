"""Adapters in the upper layers alone: exact on resume, with every way to give credit, and counted by the plan."""

import json
import shutil

import pytest

import tests.environments
from twosome import Agent
from twosome.cli import main
from twosome.errors import RunError
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory


def adapters(path):
    return RunDirectory.open(path).checkpoint("last") / "adapter_model.safetensors"


@pytest.mark.parametrize("algorithm", ["ppo", "poad", "grpo"])
def test_a_resumed_run_ends_as_if_it_had_never_stopped(tmp_path, algorithm):
    whole = train(
        tests.environments.counting_run(
            tmp_path / "whole", lora_layers=1, algorithm=algorithm, normalization="learned", checkpoint_every=32
        )
    )
    stopped = shutil.copytree(whole, tmp_path / "stopped")
    shutil.rmtree(RunDirectory.open(stopped).checkpoint("last"))
    resume(stopped)
    assert adapters(stopped).read_bytes() == adapters(whole).read_bytes()
    config = json.loads((adapters(whole).parent / "adapter_config.json").read_text())
    assert config["layers_to_transform"] == [3]  # hearth has four layers
    assert Agent.load(whole).actor.scorer.lower is not None


def test_the_number_of_layers_of_a_run_cannot_be_changed(tmp_path):
    path = train(tests.environments.counting_run(tmp_path / "run", lora_layers=1, total_steps=32))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "lora_layers": 2}))
    with pytest.raises(RunError, match="lora_layers is 2 and was 1"):
        Agent.load(path)


def test_the_plan_counts_what_is_kept_of_the_lower_layers(capsys):
    command = ["train", "--dry-run", "--json", "--num-envs", "2", "--rollout-steps", "16"]
    found = []
    for flags in ([], ["--lora-layers", "1"]):
        assert main([*command, *flags]) == 0
        found.append(json.loads(capsys.readouterr().out))
    whole, upper = found
    assert upper["trainable"] < whole["trainable"]
    assert upper["memory"]["features"] > whole["memory"]["features"]
    assert upper["memory"]["activations"] < whole["memory"]["activations"]
