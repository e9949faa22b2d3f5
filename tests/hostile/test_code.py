"""Nothing that comes with a run, a model or an experiment's file runs code without consent."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import pytest

import tests.environments
from twosome import models
from twosome.agent import Agent
from twosome.cli import main
from twosome.errors import CheckpointError, RunError, TwosomeError
from twosome.ppo.train import resume, train
from twosome.scoring import ActionScorer
from twosome.trust import Consent, grant


def touching(canary: Path) -> str:
    return f"from pathlib import Path\nPath({str(canary)!r}).touch()\n"


@pytest.fixture
def with_code(tmp_path, canary) -> Path:
    """A model that brings Python code for the model and for its tokenizer."""
    folder = shutil.copytree(models.path("hearth"), tmp_path / "with-code")
    code = touching(canary) + "from transformers import LlamaForCausalLM\nclass Evil(LlamaForCausalLM):\n    pass\n"
    (folder / "evil.py").write_text(code)
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Evil"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def test_a_runs_own_trust_in_code_is_not_enough(tmp_path, with_code, canary, capsys):
    path = train(tests.environments.counting_run(tmp_path / "run", model=str(with_code), trust_remote_code=True))
    canary.unlink()
    for ask in (lambda: Agent.load(path), lambda: resume(path)):
        with pytest.raises(RunError, match="--trust-remote-code"):
            ask()
    for command in (["eval", str(path)], ["show", str(path)], ["train", "--resume", str(path)]):
        assert main(command) == 1
        assert "--trust-remote-code" in capsys.readouterr().err
    assert main(["score", "You wait. Now you", "go", "--model", str(path)]) == 1
    assert not canary.exists()
    Agent.load(path, trust_remote_code=True)
    assert main(["eval", str(path), "--episodes", "1", "--trust-remote-code", "--json"]) == 0
    grant(Consent())
    with pytest.raises(RunError):
        Agent.load(path)


def test_a_model_runs_no_code_of_its_own(with_code, canary):
    tokenizer = with_code / "tokenizer_config.json"
    content = json.loads(tokenizer.read_text()) if tokenizer.exists() else {}
    tokenizer.write_text(json.dumps({**content, "auto_map": {"AutoTokenizer": ["evil.Evil", "evil.Evil"]}}))
    ActionScorer.from_pretrained(str(with_code))
    config = json.loads((with_code / "config.json").read_text())
    (with_code / "config.json").write_text(json.dumps({**config, "model_type": "evil"}))
    with pytest.raises(TwosomeError):
        ActionScorer.from_pretrained(str(with_code))
    assert not canary.exists()


def test_a_chat_template_reaches_no_python(tmp_path, canary):
    folder = shutil.copytree(models.path("hearth"), tmp_path / "model")
    escape = "{{ cycler.__init__.__globals__.os.system('touch " + str(canary) + "') }}{{ messages[0]['content'] }}"
    (folder / "chat_template.jinja").write_text(escape)
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever the sandbox answers with
        ActionScorer.from_pretrained(str(folder), prompt_format="chat").encoder.prompt_ids("You wait. Now you")
    assert not canary.exists()


def test_a_module_that_a_run_names_is_not_imported_without_consent(run, tmp_path, canary, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_world.py").write_text(touching(canary) + "import tests.environments\n")
    for file, key in ((run.path / "config.json", None), (run.checkpoint / "state.json", "settings")):
        content = json.loads(file.read_text())
        (content if key is None else content[key])["env"] = "evil_world:twosome-tests/Counting-v0"
        file.write_text(json.dumps(content))
    run.sign()
    path = str(run.path)
    with pytest.raises(RunError, match="--trust-env-module"):
        resume(path)
    for command in (["eval", path], ["show", path], ["train", "--resume", path], ["generalize", path]):
        assert main(command) == 1
        assert "--trust-env-module" in capsys.readouterr().err
    assert main(["eval", path, "--env", "TomatoSalad", "--episodes", "1"]) == 0, "the run's own environment is not made"
    assert not canary.exists()
    assert main(["eval", path, "--episodes", "1", "--trust-env-module"]) == 0
    assert canary.exists()
    sys.modules.pop("evil_world")


def test_a_module_that_an_experiment_names_is_not_imported_without_consent(tmp_path, canary, capsys, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "evil_grid.py").write_text(touching(canary) + "import tests.environments\n")
    file = tmp_path / "grid.toml"
    file.write_text('envs = ["evil_grid:twosome-tests/Counting-v0"]\noutput = "x"\n[methods.word]\n')
    assert main(["experiment", str(file), "--dry-run"]) == 1
    assert "--trust-env-module" in capsys.readouterr().err
    assert not canary.exists()
    assert main(["experiment", str(file), "--dry-run", "--trust-env-module"]) == 0
    sys.modules.pop("evil_grid")


def test_an_experiments_file_cannot_consent_to_a_models_code(tmp_path, capsys):
    file = tmp_path / "grid.toml"
    file.write_text('envs = ["TomatoSalad"]\n[methods.word]\ntrust_remote_code = true\n')
    assert main(["experiment", str(file), "--dry-run"]) == 1
    assert "--trust-remote-code" in capsys.readouterr().err
    assert main(["experiment", str(file), "--dry-run", "--trust-remote-code"]) == 0


def test_a_whole_model_in_a_checkpoint_brings_weights_alone(full, canary):
    (full.checkpoint / "evil.py").write_text(
        touching(canary) + "from transformers import LlamaForCausalLM\nclass Evil(LlamaForCausalLM):\n    pass\n"
    )
    full.json("config.json", lambda c: c.update(auto_map={"AutoModelForCausalLM": "evil.Evil"}, architectures=["Evil"]))
    assert type(Agent.load(full.path).actor.scorer.model).__name__ == "LlamaForCausalLM"
    assert Agent.load(full.path, trust_remote_code=True)
    assert not canary.exists()


class _Touch:
    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (Path.touch, (self.canary,))


def test_pickled_weights_beside_or_in_place_of_the_adapters_are_never_opened(run, canary):
    (run.checkpoint / "adapter_model.bin").write_bytes(pickle.dumps(_Touch(canary)))
    run.sign()
    Agent.load(run.path)
    (run.checkpoint / "adapter_model.safetensors").unlink()
    run.sign()
    with pytest.raises(CheckpointError, match=r"does not name adapter_model\.safetensors"):
        Agent.load(run.path)
    assert not canary.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"target_modules": "(a+)+(a+)+(a+)+(a+)+(a+)+(a+)+b"},
        {"peft_type": "VBLORA"},
        {"auto_mapping": {"base_model_class": "X", "parent_library": "os"}},
        {"modules_to_save": ["lm_head"]},
        {"layer_replication": [[0, 2], [0, 2]]},
        {"trainable_token_indices": [1, 2]},
        {"r": 4},
        {"lora_alpha": 1e9},
        {"use_dora": True},
    ],
)
def test_adapters_of_another_kind_are_refused(run, change):
    run.json("adapter_config.json", lambda content: content.update(change))
    with pytest.raises(CheckpointError, match=next(iter(change))):
        Agent.load(run.path)


def test_the_name_of_the_adapters_model_leads_nowhere(run):
    run.json("adapter_config.json", lambda content: content.update(base_model_name_or_path="/nowhere/at/all"))
    Agent.load(run.path)
