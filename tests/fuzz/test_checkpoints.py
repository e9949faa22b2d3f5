"""Checkpoints whose hashes are right and whose contents are not: refused, or taken up exactly as they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from tests.environments import decision
from tests.fuzz.artifacts import CANARY, copied, damaged_file, damaged_tensors, make_model, make_run, rehash
from tests.fuzz.checking import attempt, files_below
from tests.fuzz.inputs import inputs, json_values
from twosome.agent import Agent
from twosome.errors import CheckpointError, TwosomeError
from twosome.ppo.train import Trainer, resume

TENSORS = ("adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors", "features.safetensors")
DOCUMENTS = ("state.json", "adapter_config.json", "manifest.json")
DECISION = decision("You have decided 0 times. Now you", 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoints")
    return make_run(folder / "run", make_model(folder / "model"))


def last(run: Path) -> Path:
    return max((run / "checkpoints").glob("step-*"))


def damage(data: st.DataObject, run: Path, name: str, source: Path) -> Path:
    """Damage a file of the copied run's last checkpoint; the hashes are those of what is there then."""
    target = last(run) / name
    if target.suffix == ".safetensors":
        data.draw(damaged_tensors(last(source) / name))(target)
    else:
        target.write_bytes(data.draw(damaged_file(last(source) / name, json_values())))
    if name != "manifest.json":
        rehash(last(run))
    return last(run)


def same(loaded: torch.Tensor, written: torch.Tensor) -> bool:
    return loaded.shape == written.shape and torch.equal(
        loaded.double().nan_to_num(-7), written.double().nan_to_num(-7)
    )


def test_the_run_that_is_damaged_goes_on(run) -> None:
    with copied(run) as copy:
        assert resume(copy) == copy
        assert last(copy).name == "step-0000000096"


def test_adapters_for_layers_some_of_which_have_no_name_are_refused(run) -> None:
    with copied(run) as copy:
        file = last(copy) / "adapter_config.json"
        config = json.loads(file.read_text())
        file.write_text(json.dumps({**config, "target_modules": ["q_proj", None]}))
        rehash(last(copy))
        with pytest.raises(CheckpointError, match="target_modules"):
            Agent.load(copy)


@given(data=st.data(), name=st.sampled_from(("adapter_model.safetensors", "adapter_config.json", "manifest.json")))
@inputs(8, 500)
def test_an_agent_of_damaged_adapters_is_refused_or_has_exactly_these(run, data, name) -> None:
    with copied(run) as copy:
        checkpoint = damage(data, copy, name, run)
        before = files_below(copy.parent)
        agent = attempt(lambda: Agent.load(copy))
        if not isinstance(agent, TwosomeError):
            loaded = get_peft_model_state_dict(agent.actor.scorer.model)
            written = load_file(checkpoint / "adapter_model.safetensors")
            assert loaded.keys() == written.keys()
            assert all(same(loaded[key], written[key]) for key in loaded)
            policy = attempt(lambda: agent.distribution(DECISION))
            assert isinstance(policy, TwosomeError) or abs(policy.sum() - 1) < 1e-9
        assert files_below(copy.parent) == before
    assert not (run.parent / CANARY).exists()


@given(data=st.data(), name=st.sampled_from((*TENSORS, *DOCUMENTS)))
@inputs(12, 800)
def test_a_run_with_a_damaged_checkpoint_is_refused_or_goes_on_from_exactly_that(
    run, data, name, monkeypatch_module
) -> None:
    taken: list[Trainer] = []

    def begin(trainer: Trainer, *_: Any) -> Path:
        taken.append(trainer)
        raise TwosomeError("stopped before the next update")

    monkeypatch_module.setattr(Trainer, "run", begin)
    with copied(run) as copy:
        checkpoint = damage(data, copy, name, run)
        outside = files_below(copy.parent) - {f"{copy.name}/{path}" for path in files_below(copy)}
        assert isinstance(attempt(lambda: resume(copy)), TwosomeError)
        if taken:
            assert_is(taken[0], checkpoint)
            # What was accepted can be gone on with.
            attempt(taken[0].step)
        now = files_below(copy.parent) - {f"{copy.name}/{path}" for path in files_below(copy)}
        assert now == outside
    assert not (run.parent / CANARY).exists()


def assert_is(trainer: Trainer, checkpoint: Path) -> None:
    """The trainer stands where the checkpoint's files say."""
    state = json.loads((checkpoint / "state.json").read_text(encoding="utf-8-sig"))  # a mark of order is skipped
    assert trainer.state.update == state["update"]
    assert trainer.state.env_steps == state["env_steps"]
    assert trainer.state.num_episodes == state["num_episodes"]
    assert trainer.state.metrics_bytes == state["metrics_bytes"]
    assert trainer.state.best_checkpoint == state["best_checkpoint"]
    assert trainer.state.best_return == (-np.inf if state["best_return"] is None else state["best_return"])
    assert trainer.rng.bit_generator.state == state["rng"]
    assert len(trainer.state.recent) == len(state["recent"])
    envs = json.loads(json.dumps(trainer.collector.state()))
    assert envs == {name: state["worlds"][name] for name in envs}
    files = {name: load_file(checkpoint / name) for name in TENSORS}
    heads = dict(trainer.critic.head.state_dict())
    adapters = get_peft_model_state_dict(trainer.scorer.model)
    optimizers = {
        f"{name}.{index}.{key}": torch.as_tensor(value)
        for name, optimizer in trainer.optimizers.items()
        for index, moments in optimizer.state_dict()["state"].items()
        for key, value in moments.items()
    }
    for loaded, written in ((heads, files[TENSORS[1]]), (adapters, files[TENSORS[0]]), (optimizers, files[TENSORS[2]])):
        assert loaded.keys() == written.keys()
        assert all(same(loaded[key], written[key]) for key in loaded)
    features = files["features.safetensors"]
    assert len(trainer.critic.known) == len(features["features"])
    assert all(same(a, b) for a, b in zip(trainer.critic.known.values(), features["features"], strict=True))
