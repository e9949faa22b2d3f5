"""Training where the number of actions changes from step to step, and where there are thousands."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import twosome
from tests.environments import counting_run
from twosome.cli import main
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.estimate import recorded
from twosome.ppo.dry_run import dry_run
from twosome.ppo.interrupt import Interrupted
from twosome.ppo.train import Trainer
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer

SHELF = "twosome-tests/Shelf-v0"
MANY = {"fewest": 2000, "most": 2000}


def shelf_run(path: Path, **settings: Any) -> TrainConfig:
    config = counting_run(path, rollout_steps=8, total_steps=32, checkpoint_every=16)
    return TrainConfig(**{**vars(config), "env": SHELF, **settings})


def learned(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(RunDirectory.open(path).checkpoint("last").iterdir())}


@pytest.mark.parametrize("settings", [{}, {"algorithm": "poad"}, {"algorithm": "grpo"}, {"normalization": "learned"}])
def test_a_run_that_is_interrupted_ends_as_one_that_is_not(settings: dict[str, Any], tmp_path: Path) -> None:
    def interrupt(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 1:
            raise Interrupted("enough")

    whole = twosome.train(shelf_run(tmp_path / "whole", **settings))
    with pytest.raises(Interrupted):
        twosome.train(shelf_run(tmp_path / "broken", **settings), interrupt)
    broken = twosome.resume(tmp_path / "broken")
    kept = {"adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors"}
    one, other = learned(whole), learned(broken)
    assert {name: one[name] for name in kept} == {name: other[name] for name in kept}
    rows = [
        [{k: v for k, v in row.items() if not k.endswith("_s")} for row in RunDirectory.open(path).read_metrics()]
        for path in (whole, broken)
    ]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 2


def test_a_run_is_evaluated_reported_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(twosome.train(shelf_run(tmp_path / "run")))
    for command in (
        ["eval", path, "--episodes", "3", "--json"],
        ["eval", "--env", SHELF, "--policy", "random", "--episodes", "3", "--json"],
        ["show", path, "--episodes", "2"],
        ["report", str(tmp_path)],
    ):
        assert main(command) == 0
    assert "success" in capsys.readouterr().out


def test_the_doctor_says_how_many_actions_there_are_at_most(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", SHELF, "--episodes", "2", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["facts"]
    assert facts["actions"] == facts["available_max"] == 5


def test_no_forward_of_two_thousand_actions_is_larger_than_allowed_and_no_action_is_left_out() -> None:
    scorer = ActionScorer.from_pretrained("hearth", max_tokens_per_forward=128)
    decision = text.make_checked(SHELF, **MANY).reset(0)
    with torch.no_grad(), recorded(scorer) as forwards:
        (logp,) = scorer.log_probs([decision])
    assert len(forwards) > 2
    assert max(forward.num_tokens for forward in forwards) <= 128
    (few,) = scorer.log_probs([Decision(decision.prompt, decision.actions[1995:])])
    assert logp[1995:].tolist() == pytest.approx(few.tolist(), abs=1e-4)
    assert torch.isfinite(logp).all()


def test_many_actions_take_the_memory_that_the_bound_on_a_forward_allows_and_a_dry_run_tells_it(
    tmp_path: Path,
) -> None:
    def told(bound: int) -> int:
        one = {"num_envs": 1, "rollout_steps": 1, "total_steps": 1, "policy_minibatches": 1, "value_minibatches": 1}
        some = {"fewest": 500, "most": 500}
        settings = {**one, "epochs": 1, "env_kwargs": some, "max_tokens_per_forward": bound}
        memory = dry_run(shelf_run(tmp_path / "run", **settings)).memory
        return memory.activations + memory.logits

    assert told(64) < told(8192) / 2


def test_a_decision_of_many_actions_counts_as_many_in_what_the_scorer_remembers() -> None:
    scorer = ActionScorer.from_pretrained("hearth")
    scorer.max_tokens_per_forward = 8192  # which forgets the examples
    scorer.spans(text.make_checked(SHELF, **MANY).reset(0))
    scorer.spans(Decision("Now you", ("go", "wait")))
    assert [item.weight for item in scorer._prepared._values.values()] == [63, 1]


def test_a_trainer_in_such_an_environment_collects_every_length(tmp_path: Path) -> None:
    with Trainer(shelf_run(tmp_path / "run")) as trainer:
        rollout = trainer.collector.collect(trainer.actor, 8, trainer.rng)
    lengths = {len(decision.actions) for row in rollout.decisions for decision in row}
    assert len(lengths) > 3
    for row, policies in zip(rollout.decisions, rollout.probabilities, strict=True):
        assert [len(decision.actions) for decision in row] == [len(policy) for policy in policies]
