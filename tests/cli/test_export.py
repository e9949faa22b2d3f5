"""What is exported acts as the run does, by every way of loading it, and says what it is."""

import base64
import json
import shutil
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import huggingface_hub
import numpy as np
import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

import tests.environments
from twosome import models
from twosome.agent import Agent
from twosome.cli import main
from twosome.policy.calibration import Calibration
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.ppo.train import train
from twosome.scoring import ActionScorer

DECISION = tests.environments.decision("You have decided 0 times. Now you", 0)


@pytest.fixture(scope="module", params=["learned", "word"])
def exported(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    settings = {"normalization": request.param, "actor_lr": 1e-2}
    run = train(tests.environments.counting_run(folder / "run", **settings))
    assert main(["export", str(run), str(folder / "given")]) == 0
    return run, folder / "given"


def test_merged_model_and_adapters_act_as_the_run(exported):
    run, given = exported
    expected = Agent.load(run).probabilities(DECISION)
    for folder in (given / "agent", given):
        assert np.abs(Agent.load(folder).probabilities(DECISION) - expected).max() < 1e-6
    acting = json.loads((given / "acting.json").read_text())
    calibration = Calibration(acting.get("prior_weight", 1.0))
    calibration.log_temperature.data.fill_(np.log(acting.get("temperature", 1.0)))
    base, merged = ActionScorer.from_pretrained("hearth"), ActionScorer.from_pretrained(str(given))
    policy = LanguageModelPolicy(merged, acting["normalization"], "Now you", calibration, base)
    assert np.abs(policy.probabilities([DECISION])[0] - expected).max() < 1e-5


@pytest.mark.parametrize("exported", ["learned"], indirect=True)
def test_twosome_score_takes_what_was_exported_with_what_was_learned(exported, capsys):
    _, given = exported
    phrases = [phrase for phrase in DECISION.actions if phrase]
    assert main(["score", DECISION.prompt, *phrases, "--model", str(given), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["temperature"] == pytest.approx(json.loads((given / "acting.json").read_text())["temperature"])
    policy = [row["policy"]["learned"] for row in document["actions"]]
    assert policy == pytest.approx([p for p in Agent.load(given).probabilities(DECISION) if p], abs=1e-6)
    assert main(["score", "Now you", "go", "--model", str(given), "--dtype", "bfloat16"]) == 1
    assert "saved agent" in capsys.readouterr().err


@torch.no_grad()
def test_plain_transformers_and_plain_peft_load_the_same_model(exported):
    _, given = exported
    tokens = AutoTokenizer.from_pretrained(given)("You want to make tea. Now you", return_tensors="pt").input_ids
    merged = AutoModelForCausalLM.from_pretrained(given)
    base = AutoModelForCausalLM.from_pretrained(models.path("hearth"))
    before = base(tokens).logits.clone()
    adapted = PeftModel.from_pretrained(base, str(given / "agent"))
    assert torch.allclose(merged(tokens).logits, adapted(tokens).logits, atol=1e-4)
    assert not torch.allclose(merged(tokens).logits, before, atol=1e-4)


def test_the_card_says_what_it_is(exported):
    run, given = exported
    card = (given / "README.md").read_text()
    assert "Not measured" in card
    assert "Counting" in card
    assert "twosome.Agent.load" in card
    for file in given.rglob("*"):
        assert file.is_dir() or str(run).encode() not in file.read_bytes(), file
    assert str(models.path("hearth")) not in card
    assert ("temperature" in card) is (json.loads((given / "acting.json").read_text())["normalization"] == "learned")


@pytest.mark.parametrize("exported", ["word"], indirect=True)
def test_peft_alone_finds_the_base_model_of_the_adapters(exported):
    _, given = exported
    adapted = AutoPeftModelForCausalLM.from_pretrained(given / "agent")
    tokens = AutoTokenizer.from_pretrained(given)("You want to make tea. Now you", return_tensors="pt").input_ids
    with torch.no_grad():
        assert torch.allclose(
            AutoModelForCausalLM.from_pretrained(given)(tokens).logits, adapted(tokens).logits, atol=1e-4
        )


def test_a_base_model_of_this_machine_moves_with_the_folder(tmp_path):
    shutil.copytree(models.path("hearth"), tmp_path / "mine")
    run = train(tests.environments.counting_run(tmp_path / "run", model=str(tmp_path / "mine")))
    expected = Agent.load(run).probabilities(DECISION)
    assert main(["export", str(run), str(tmp_path / "given")]) == 0
    (tmp_path / "given").rename(tmp_path / "moved")
    shutil.rmtree(tmp_path / "mine")
    assert np.abs(Agent.load(tmp_path / "moved").probabilities(DECISION) - expected).max() < 1e-6


class _Hub(BaseHTTPRequestHandler):
    """What of the Hugging Face Hub a push asks."""

    asked: ClassVar[list[str]] = []
    files: ClassVar[dict[str, bytes]] = {}
    status = 200

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append(self.path)
        here = f"http://127.0.0.1:{self.server.server_port}"
        answer: dict[str, Any] = {"url": f"{here}/me/cook"}
        if "/preupload/" in self.path:
            files = json.loads(body)["files"]
            answer = {"files": [{"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in files]}
        elif "/commit/" in self.path:
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            answer = {"commitUrl": f"{here}/me/cook/commit/1", "commitOid": "1", "success": True}
        content = json.dumps(answer).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_nobodys")
    monkeypatch.setattr(_Hub, "files", {})
    monkeypatch.setattr(_Hub, "asked", [])
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield _Hub
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("exported", ["word"], indirect=True)
def test_a_push_puts_the_whole_folder_there_and_says_nothing_of_this_machine(exported, tmp_path, hub, capsys):
    run, _ = exported
    assert main(["export", str(run), str(tmp_path / "given"), "--push-to-hub", "me/cook"]) == 0
    assert "/me/cook" in capsys.readouterr().out
    written = {path.relative_to(tmp_path / "given").as_posix() for path in (tmp_path / "given").rglob("*.*")}
    assert set(hub.files) == {name for name in written if (tmp_path / "given" / name).is_file()}
    assert not [name for name, content in hub.files.items() if str(tmp_path).encode() in content]
    for name, content in hub.files.items():
        (tmp_path / "fetched" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fetched" / name).write_bytes(content)
    expected = Agent.load(run).probabilities(DECISION)
    assert np.abs(Agent.load(tmp_path / "fetched").probabilities(DECISION) - expected).max() < 1e-6


@pytest.mark.parametrize("exported", ["word"], indirect=True)
def test_a_push_that_fails_says_what_is_written_and_one_that_cannot_work_writes_nothing(
    exported, tmp_path, hub, capsys, monkeypatch
):
    run, _ = exported
    monkeypatch.setattr(hub, "status", 403)
    assert main(["export", str(run), str(tmp_path / "given"), "--push-to-hub", "me/cook"]) == 1
    assert "is written" in capsys.readouterr().err
    assert main(["export", str(run), str(tmp_path / "other"), "--push-to-hub", "a/b/c"]) == 1
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    assert main(["export", str(run), str(tmp_path / "other"), "--push-to-hub", "me/cook"]) == 1
    assert "HF_TOKEN" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_nothing_is_written_over(exported, capsys):
    run, given = exported
    assert main(["export", str(run), str(given)]) == 1
    assert "new or empty folder" in capsys.readouterr().err
