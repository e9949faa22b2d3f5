"""A checkpoint is accepted if it is exactly what its run's settings imply, whatever its manifest says."""

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import tests.environments
from twosome import models
from twosome.agent import Agent
from twosome.cli import main
from twosome.errors import CheckpointError, RunError
from twosome.models import Adapters, MergedAdapterWarning, save
from twosome.policy.tuning import attach_to
from twosome.ppo.train import resume, train
from twosome.report.collect import collect
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer
from twosome.trust import ChangedRunWarning, Consent, grant

FILES = {
    "lora": ["adapter_config.json", "adapter_model.safetensors"],
    "both": ["critic.safetensors", "features.safetensors", "optimizers.safetensors", "state.json"],
    "full": ["model.safetensors"],
}


@pytest.mark.parametrize("name", [*FILES["lora"], *FILES["both"]])
def test_a_file_less_is_refused(run, name):
    (run.checkpoint / name).unlink()
    run.sign()
    for ask in (Agent.load, resume):
        with pytest.raises(CheckpointError, match=name):
            ask(run.path)


@pytest.mark.parametrize("name", ["../config.json", "/etc/hostname", "a/b", "..", "", ".hidden", "\x1b[2J", "a\\b"])
def test_a_manifest_that_names_files_elsewhere_is_refused(run, name):
    content = json.loads((run.checkpoint / "manifest.json").read_text())
    (run.checkpoint / "manifest.json").write_text(json.dumps({**content, name: "0" * 64}))
    with pytest.raises(CheckpointError) as found:
        Agent.load(run.path)
    assert str(found.value).isprintable()


@pytest.mark.parametrize("name", [*FILES["lora"], *FILES["both"], "manifest.json"])
def test_a_link_in_place_of_a_file_is_refused(run, tmp_path, name):
    shutil.move(run.checkpoint / name, tmp_path / name)
    (run.checkpoint / name).symlink_to(tmp_path / name)
    for ask in (Agent.load, resume):
        with pytest.raises(CheckpointError):
            ask(run.path)


def paths_in(value, path=()):
    """Where the entries of a JSON document are, the inner ones too; of a list the first alone."""
    children = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, child in children:
        yield (*path, key)
        yield from paths_in(child, (*path, key))


def put(content, path, value):
    for key in path[:-1]:
        content = content[key]
    if value is None:
        del content[path[-1]]
    else:
        content[path[-1]] = value


def test_no_entry_of_the_state_may_be_missing_or_of_another_kind(run):
    original = (run.checkpoint / "state.json").read_text()
    places = [p for p in paths_in(json.loads(original)) if p[0] not in ("settings", "model_files")]
    places = [p for p in places if p[:3] != ("worlds", "envs", 0)]  # the environment's own affair
    places.remove(("worlds", "places"))  # older checkpoints have none; what is in it is checked
    assert len(places) > 30
    for place in places:
        for value in (None, "x", -1, 2**200, [1], {"a": 1}, 1.5):
            content = json.loads(original)
            if value is None and place in {("episodes_lost",), ("unrewarded",)}:
                continue  # older checkpoints have none
            if value == 1.5 and place[-1] in ("discounted_return", "discount"):
                continue
            put(content, place, value)
            (run.checkpoint / "state.json").write_text(json.dumps(content))
            run.sign()
            with pytest.raises(RunError):
                resume(run.path)


def test_a_state_that_an_environment_cannot_take_is_a_damaged_checkpoint(run):
    run.json("state.json", lambda state: state["worlds"].update(envs=[{"other": 1}, {"other": 1}]))
    with pytest.raises(CheckpointError, match="cannot go back"):
        resume(run.path)


def drop_first(tensors):
    del tensors[sorted(tensors)[0]]


def widen(tensors):
    name = max(tensors, key=lambda name: tensors[name].dim())
    tensors[name] = torch.cat([tensors[name], tensors[name]])


def double(tensors):
    name = max(tensors, key=lambda name: tensors[name].dim())
    tensors[name] = tensors[name].double()


def poison(tensors):
    name = max(tensors, key=lambda name: tensors[name].dim())
    tensors[name].view(-1)[0] = math.nan


def add(tensors):
    tensors["more"] = torch.zeros(1)


TENSORS = ["adapter_model.safetensors", "critic.safetensors", "features.safetensors", "optimizers.safetensors"]


@pytest.mark.parametrize("change", [drop_first, widen, double, poison, add])
@pytest.mark.parametrize("name", TENSORS)
def test_tensors_other_than_the_settings_imply_are_refused(run, name, change):
    run.tensors(name, change)
    with pytest.raises(CheckpointError, match=name):
        resume(run.path)


@pytest.mark.parametrize("change", [drop_first, widen, double, poison, add])
def test_weights_other_than_the_models_are_refused(full, change):
    full.tensors("model.safetensors", change)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        Agent.load(full.path)


@pytest.mark.parametrize("prompts", [b"{", b"\xff", b"[1, 2]", b'{"a": 1}', b"7", b'[["x"]]'])
def test_prompts_that_are_none_are_refused(run, prompts):
    encoded = torch.frombuffer(bytearray(prompts), dtype=torch.uint8)
    run.tensors("features.safetensors", lambda tensors: tensors.update(prompts=encoded))
    with pytest.raises(CheckpointError, match="prompts"):
        resume(run.path)


def test_all_moments_of_a_parameter_cannot_go_missing(run):
    run.tensors("optimizers.safetensors", lambda t: [t.pop(name) for name in sorted(t) if name.startswith("actor.0.")])
    with pytest.raises(CheckpointError, match="moments"):
        resume(run.path)


def test_a_changed_setting_is_named(run):
    file = run.path / "config.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "normalization": "token"}))
    for ask in (Agent.load, resume):
        with pytest.raises(RunError, match="normalization is 'token' and was 'learned'"):
            ask(run.path)
    file.write_text(json.dumps({**content, "threads": 2}))
    with pytest.warns(ChangedRunWarning, match="threads is 2 and was 1"):
        Agent.load(run.path)


def test_changed_metrics_are_refused_and_a_moved_run_is_not(run, tmp_path):
    moved = shutil.move(run.path, tmp_path / "elsewhere")
    Agent.load(moved)
    file = Path(moved) / "metrics.jsonl"
    file.write_bytes(file.read_bytes().replace(b'"update": 1', b'"update": 2', 1))
    for ask in (Agent.load, resume):
        with pytest.raises(RunError, match=r"metrics\.jsonl was changed"):
            ask(moved)


def test_an_older_run_is_taken_as_it_is_with_a_warning(run):
    def without(state):
        for name in ("settings", "metrics_sha256", "model_files", "moments"):
            del state[name]

    run.json("state.json", without)
    with pytest.warns(ChangedRunWarning, match="before runs kept hashes"):
        Agent.load(run.path)
    run.json("state.json", lambda state: state.update(moments={}))
    with pytest.raises(CheckpointError, match="without the others"):
        Agent.load(run.path)


def test_the_checkpoints_of_a_run_cannot_be_elsewhere(run, tmp_path):
    outside = shutil.move(run.path / "checkpoints", tmp_path / "outside")
    (run.path / "checkpoints").symlink_to(outside)
    for ask in (Agent.load, resume, lambda path: RunDirectory.open(path).mark_best(run.checkpoint.name)):
        with pytest.raises(RunError, match="is a link"):
            ask(run.path)


def exchange(folder):
    """Another model in a folder, with the same names and shapes."""
    path = folder / "model.safetensors"
    save_file({name: tensor.flip(0) for name, tensor in load_file(path).items()}, path, metadata={"format": "pt"})


def test_the_model_that_an_adapter_alone_is_for_cannot_be_exchanged(tmp_path):
    base = shutil.copytree(models.path("hearth"), tmp_path / "base")
    scorer = ActionScorer.from_pretrained(str(base), device="cpu")
    attach_to(scorer, Adapters(targets=("q_proj",)), seed=1)
    save(scorer.model, scorer.tokenizer, scorer.name, tmp_path / "adapter")
    with pytest.warns(MergedAdapterWarning):
        path = train(tests.environments.counting_run(tmp_path / "run", total_steps=32, model=str(tmp_path / "adapter")))
    exchange(base)
    with pytest.raises(RunError, match=r"not the one that the run was trained on: its 'base/model\.safetensors'"):
        Agent.load(path)


def test_an_exchanged_model_is_not_measured_as_what_training_began_with(tmp_path, capsys):
    model = str(shutil.copytree(models.path("hearth"), tmp_path / "model"))
    path = str(train(tests.environments.counting_run(tmp_path / "run", total_steps=32, model=model)))
    exchange(Path(model))
    for who in (["--model", model], ["--policy", "saycan", "--affordance-decisions", "16"]):
        assert main(["eval", path, *who, "--episodes", "2"]) == 1
        assert "not the one that the run was trained on" in capsys.readouterr().err
    with pytest.warns(ChangedRunWarning, match="It is taken all the same"):
        assert main(["eval", path, "--model", model, "--episodes", "2", "--json", "--allow-other-model"]) == 0
    grant(Consent())


@pytest.mark.parametrize("name", ["config.json", "metrics.jsonl"])
def test_a_report_does_not_count_a_run_whose_settings_or_metrics_were_changed(run, name):
    assert not collect(run.path).unreadable
    file = run.path / name
    file.write_text(file.read_text().replace('"seed": 1,', '"seed": 2,').replace('"return_mean": ', '"return_mean": 1'))
    (reason,) = collect(run.path).unreadable.values()
    assert f"{name} was changed" in reason
