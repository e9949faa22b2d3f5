"""Every way to train makes the numbers of the page that defines the method: point by point, and in the mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests.invariants.trajectory import ENVS, LOSSES, STEPS, UPDATES, stored, trajectory_of_the_page
from tests.ranks import on_ranks
from twosome.config import TrainConfig
from twosome.policy.tuning import trainable
from twosome.ppo.train import Trainer, resume, train
from twosome.runs import RunDirectory

NUMBERS = ("logp", "rewards", "advantages", "adapter_norms", *LOSSES)
EVERY = ENVS * STEPS


def settings(**others: Any) -> TrainConfig:
    return TrainConfig(
        env="TomatoSalad",
        num_envs=ENVS,
        rollout_steps=STEPS,
        total_steps=EVERY * UPDATES,
        target_kl=0.0,
        checkpoint_every=EVERY,
        keep_checkpoints=UPDATES + 1,
        **{"normalization": "word", **others},
    )


def assert_equal(found: list[dict[str, Any]], tolerance: float) -> None:
    """The same texts, and numbers within a tolerance; their mean difference within half of it."""
    assert len(found) == UPDATES
    for number, (update, expected) in enumerate(zip(found, stored(), strict=True), start=1):
        for name in ("prompts", "actions"):
            if name in update:
                assert update[name] == expected[name], f"{name} of update {number}"
        for name in NUMBERS:
            if name in update:
                difference = np.abs(np.subtract(update[name], expected[name])) / np.maximum(1, np.abs(expected[name]))
                assert difference.max() <= tolerance, f"{name} of update {number}: {difference.max()}"
                assert difference.mean() <= tolerance / 2, f"{name} of update {number}, mean: {difference.mean()}"


def trajectory_of(trainer: Trainer) -> list[dict[str, Any]]:
    """What the trainer does, in double precision as far as it computes in the model's."""
    trainer.scorer.model.double()
    trainer.critic.head.double()
    trainer.critic.known.clear()
    seen: dict[str, Any] = {}

    def remember(name: str, work: Callable[..., Any]) -> Callable[..., Any]:
        def remembering(*arguments: Any, **others: Any) -> Any:
            seen[name] = work(*arguments, **others)
            return seen[name]

        return remembering

    trainer.collector.collect = remember("rollout", trainer.collector.collect)  # type: ignore[method-assign]
    trainer.estimate = remember("credit", trainer.estimate)  # type: ignore[method-assign]
    found = []
    for _ in range(UPDATES):
        metrics = trainer.step()
        rollout, credit = seen["rollout"], seen["credit"]
        decisions = [decision for row in rollout.decisions for decision in row]
        found.append(
            {
                "prompts": [decision.prompt for decision in decisions],
                "actions": [d.actions[i] for d, i in zip(decisions, rollout.actions.flatten(), strict=True)],
                "logp": rollout.logp.flatten().tolist(),
                "rewards": rollout.rewards.flatten().tolist(),
                "advantages": (credit.returns - credit.values).tolist(),
                "adapter_norms": [parameter.detach().norm().item() for parameter in trainable(trainer.scorer.model)],
                **{name: metrics[name] for name in LOSSES},
            }
        )
    return found


def trajectory_in(path: Path) -> list[dict[str, Any]]:
    """What a run directory says of its updates."""
    run = RunDirectory.open(path)
    found = [{name: row[name] for name in LOSSES} for row in run.read_metrics()]
    for update, name in zip(found, run.checkpoints()[1:], strict=True):
        adapters = load_file(run.checkpoint(name) / "adapter_model.safetensors")
        update["adapter_norms"] = sorted(tensor.double().norm().item() for tensor in adapters.values())
    return found


def assert_run_equal(path: Path, tolerance: float = 1e-4) -> None:
    """For runs in float32, whose checkpoints name adapters in an order of their own."""
    expected = stored()
    for update, other in zip(trajectory_in(path), expected, strict=True):
        assert update["adapter_norms"] == pytest.approx(sorted(other["adapter_norms"]), abs=tolerance)
        assert {name: update[name] for name in LOSSES} == pytest.approx(
            {name: other[name] for name in LOSSES}, abs=tolerance
        )


def test_the_page_makes_the_stored_trajectory():
    assert_equal(trajectory_of_the_page(), 1e-9)


def test_the_stored_trajectory_is_worth_comparing_with():
    """Something was earned, and every adapter that is trained has moved."""
    updates = stored()
    assert any(reward != 0 for update in updates for reward in update["rewards"])
    assert len({update["prompts"][-1] for update in updates}) > 1
    moved = np.subtract(updates[-1]["adapter_norms"], updates[0]["adapter_norms"])
    assert (np.abs(moved) > 1e-4).all()


def naive(trainer: Trainer) -> None:
    trainer.scorer.method = "naive"


def as_it_is(trainer: Trainer) -> None:
    assert trainer.scorer.method == "packed"


@pytest.mark.parametrize(
    ("others", "prepare"),
    [
        ({}, as_it_is),
        ({}, naive),
        ({"max_tokens_per_forward": 100}, as_it_is),
        ({"gradient_accumulation": 4}, as_it_is),
        ({"gradient_checkpointing": True}, as_it_is),
    ],
    ids=["packed", "naive", "micro-batched", "accumulated", "gradient-checkpointing"],
)
def test_the_trainer_makes_it_too(others, prepare):
    torch.set_num_threads(1)
    trainer = Trainer(settings(**others))
    prepare(trainer)
    # Rewards and log-probabilities of a rollout are kept in float32.
    assert_equal(trajectory_of(trainer), 1e-6)


def test_a_resumed_run_makes_it(tmp_path):
    def stop(metrics: dict[str, Any]) -> None:
        if metrics["update"] == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(settings(output=tmp_path / "run"), stop)
    resume(tmp_path / "run")
    assert_run_equal(tmp_path / "run")


@pytest.mark.parametrize("others", [{}, {"shard_model": True}], ids=["two ranks", "sharded"])
def test_two_processes_make_it(others, tmp_path):
    path = tmp_path / "run"
    assert on_ranks(train, settings(output=path, **others)) == [path, path]
    assert_run_equal(path)
