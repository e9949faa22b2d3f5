"""Runs of a model in a GGUF file: its hash is kept, and whoever opens the run asks for the same file."""

import importlib.util
import json
import shutil

import pytest

import tests.environments
from tests.scoring.gguf_files import write_gguf
from twosome import Agent
from twosome.cli import main
from twosome.errors import RunError
from twosome.files import sha256
from twosome.models import MergedAdapterWarning
from twosome.ppo.train import resume, train
from twosome.runs import RunDirectory
from twosome.trust import ChangedRunWarning

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs the extra gguf")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    write_gguf(folder / "tiny.gguf")
    settings = tests.environments.counting_run(folder / "run", model=str(folder / "tiny.gguf"), checkpoint_every=32)
    return folder / "tiny.gguf", train(settings)


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the file, and of a run whose model it is."""
    file, path = shutil.copy(trained[0], tmp_path / "tiny.gguf"), shutil.copytree(trained[1], tmp_path / "run")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model": str(file)}))
    return file, path


def state_of(path):
    return json.loads((RunDirectory.open(path).checkpoint("last") / "state.json").read_text())


def test_the_hash_of_the_file_is_kept(trained):
    file, path = trained
    assert state_of(path)["model_files"] == {"model.gguf": sha256(file)}


def test_a_run_goes_on_exactly_and_also_with_a_file_that_was_moved_and_renamed(trained, run):
    file, path = run
    shutil.rmtree(RunDirectory.open(path).checkpoint("last"))
    moved = file.rename(file.with_name("renamed.gguf"))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "model": str(moved)}))
    with pytest.warns(ChangedRunWarning, match="model is"):
        resume(path)
    ends = [RunDirectory.open(p).checkpoint("last") / "adapter_model.safetensors" for p in (path, trained[1])]
    assert ends[0].read_bytes() == ends[1].read_bytes()


@pytest.mark.filterwarnings("ignore:.*config.json was changed")
def test_another_file_in_its_place_is_refused(run):
    file, path = run
    content = bytearray(file.read_bytes())
    content[-8] ^= 1
    file.write_bytes(content)
    with pytest.raises(RunError, match=r"its 'model\.gguf' has the SHA-256"):
        Agent.load(path)
    shutil.rmtree(RunDirectory.open(path).checkpoint("last"))
    with pytest.raises(RunError, match=r"its 'model\.gguf' has the SHA-256"):
        resume(path)


@pytest.mark.filterwarnings("ignore:.*config.json was changed")
def test_every_command_takes_a_gguf_file(run, capsys):
    file, path = run
    env = ["--env", "twosome-tests/Counting-v0"]
    for command in (
        ["score", "A cup. Now you", "wait", "sit down", "--model", str(file)],
        ["eval", "--model", str(file), "--episodes", "2", *env],
        ["eval", str(path), "--episodes", "2"],
        ["doctor", env[1], "--model", str(file)],
        ["train", "--model", str(file), "--dry-run", "--num-envs", "2", "--rollout-steps", "16", *env],
    ):
        assert main([*command, "--json"]) == 0, (command, capsys.readouterr().err)
        json.loads(capsys.readouterr().out)


@pytest.mark.filterwarnings("ignore:.*config.json was changed")
def test_an_untrained_model_is_measured_with_the_normalization_that_its_run_would_have(run, capsys):
    file, _ = run
    assert main(["eval", "--model", str(file), "--episodes", "2", "--env", "twosome-tests/Counting-v0", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["normalization"] == "learned"


def test_a_checkpoint_of_a_gguf_model_is_a_model_with_its_adapter(trained):
    _, path = trained
    folder = RunDirectory.open(path).checkpoint("last")
    with pytest.warns(MergedAdapterWarning, match=r"merged into the model '.*tiny\.gguf'"):
        assert main(["score", "A cup. Now you", "wait", "sit", "--model", str(folder), "--json"]) == 0


def test_all_weights_of_a_gguf_model_can_be_trained_and_loaded(trained, tmp_path):
    file, _ = trained
    settings = tests.environments.counting_run(
        tmp_path / "run", model=str(file), total_steps=32, tuning="full", actor_lr=1e-4
    )
    agent = Agent.load(train(settings))
    assert agent.actor.scorer.model.dtype.itemsize == 4
    written = (RunDirectory.open(tmp_path / "run").checkpoint("last") / "tokenizer_config.json").read_text()
    assert "/tmp" not in written
