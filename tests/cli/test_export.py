"""What is exported acts as the run does, by every way of loading it, and says what it is."""

import json

import numpy as np
import pytest
import torch
from peft import PeftModel
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


def test_nothing_is_written_over(exported, capsys):
    run, given = exported
    assert main(["export", str(run), str(given)]) == 1
    assert "new or empty folder" in capsys.readouterr().err
