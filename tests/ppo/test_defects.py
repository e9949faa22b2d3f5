"""Each defect does what it says, alone, and none of it happens unasked."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import tests.worlds
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.errors import ConfigError
from twosome.policy.lm import frozen_features, trainable
from twosome.ppo.defects import PAD, HalfPrecisionAdamW, normalize_by_fours, padded_features, padded_together
from twosome.ppo.train import Trainer, resume, train
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer

assert tests.worlds  # registers the world

SHORT, LONG = "You are tired. Now you", "You are tired, and the sun has gone down behind the hill. Now you"
ALL = ("padded-critic", "minibatch-advantages", "shared-clip", "timeouts-terminal", "half-precision")


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    return tests.worlds.counting_run(tmp_path / "run", target_kl=0.0)


@pytest.fixture(scope="module")
def scorer() -> ActionScorer:
    return ActionScorer.from_pretrained("hearth")


def learned(trainer: Trainer) -> list[torch.Tensor]:
    return [*trainable(trainer.scorer.model), *trainer.critic.head.parameters()]


def test_a_shorter_prompt_is_read_at_its_padding_and_the_longest_at_its_end(scorer):
    short, long = padded_together(scorer, [SHORT, LONG], 2)
    assert long == LONG
    missing = len(scorer.encoder.prompt_ids(LONG)) - len(scorer.encoder.prompt_ids(SHORT))
    assert short == SHORT + PAD * missing
    ids = torch.tensor([[*scorer.encoder.prompt_ids(SHORT), *[0] * missing]])
    mask = torch.tensor([[1] * (ids.shape[1] - missing) + [0] * missing])
    with torch.no_grad():
        expected = scorer.model(ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1][0, -1]
    found = padded_features(scorer, [short, long])
    right = frozen_features(scorer, [SHORT, LONG])
    assert torch.allclose(found[0], expected, atol=1e-5)
    assert torch.allclose(found[1], right[1], atol=1e-5)
    assert not torch.allclose(found[0], right[0], atol=1e-2)


def test_prompts_are_padded_within_their_batch_alone(scorer):
    assert padded_together(scorer, [SHORT, SHORT, SHORT, LONG], 2)[:2] == [SHORT, SHORT]
    assert padded_together(scorer, [SHORT, SHORT, SHORT, LONG], 4)[0] == padded_together(scorer, [SHORT, LONG], 2)[0]


def test_fours_have_mean_zero_and_spread_one_however_small_their_spread_was():
    advantages = torch.tensor([1.0, 2, 3, 4, 1e-4, 2e-4, 3e-4, 4e-4])
    fours = normalize_by_fours(advantages).view(2, 4)
    assert torch.allclose(fours.mean(1), torch.zeros(2), atol=1e-6)
    assert torch.allclose(fours.std(1), torch.ones(2), atol=1e-3)
    assert torch.allclose(fours[0], fours[1], atol=1e-3)


def test_the_second_moment_of_small_gradients_underflows_in_half_precision_and_the_step_leaps():
    def after_one_step(kind: type[torch.optim.AdamW]) -> tuple[float, float]:
        parameter = torch.nn.Parameter(torch.zeros(1))
        optimizer = kind([parameter], lr=1e-3, eps=1e-5, weight_decay=0.0)
        for _ in range(2):
            parameter.grad = torch.full((1,), 4e-3)
            optimizer.step()
        (state,) = optimizer.state.values()
        return parameter.item(), state["exp_avg_sq"].item()

    right, second_moment = after_one_step(torch.optim.AdamW)
    assert right == pytest.approx(-2e-3, rel=0.01)
    assert second_moment > 0
    wrong, underflown = after_one_step(HalfPrecisionAdamW)
    assert underflown == 0
    assert wrong < 100 * right


def test_half_precision_keeps_adapters_and_state_in_float16_and_computes_in_float32(config):
    trainer = Trainer(replace(config, defects=("half-precision",)))
    trainer.step()
    adapters = trainable(trainer.scorer.model)
    assert {parameter.dtype for parameter in adapters} == {torch.float32}
    assert all(torch.equal(parameter, parameter.half().float()) for parameter in adapters)
    for state in trainer.optimizers["actor"].state.values():
        assert state["exp_avg"].dtype == state["exp_avg_sq"].dtype == torch.float16


def test_with_timeouts_terminal_nothing_is_expected_after_a_time_limit(config):
    trainer = Trainer(config)
    rollout = trainer.collector.collect(trainer.actor, 16, trainer.rng)
    assert rollout.truncated.any()
    _, values, right = trainer.estimate(rollout)
    trainer.config = replace(trainer.config, defects=("timeouts-terminal",))
    *_, wrong = trainer.estimate(rollout)
    cut = torch.from_numpy(rollout.truncated).flatten()
    assert torch.equal(wrong.returns[cut], torch.from_numpy(rollout.rewards).flatten()[cut])
    assert not torch.isclose(right.returns[cut], wrong.returns[cut]).any()
    assert torch.isfinite(values).all()


def test_with_shared_clip_a_large_gradient_of_the_value_head_shrinks_the_policys(config):
    """Plain SGD, so that a step is as long as the gradient."""

    def moved(defects: tuple, critic_gradient: float) -> float:
        trainer = Trainer(replace(config, defects=defects, policy_minibatches=1, max_grad_norm=1e-3))
        adapters = trainable(trainer.scorer.model)
        trainer.optimizers["actor"] = torch.optim.SGD(adapters, lr=1.0)
        rollout = trainer.collector.collect(trainer.actor, 16, trainer.rng)
        choices, _, estimates = trainer.estimate(rollout)
        before = [parameter.detach().clone() for parameter in adapters]
        for parameter in trainer.critic.head.parameters():
            parameter.grad = torch.full_like(parameter, critic_gradient)
        trainer.improve_policy(rollout, choices, estimates)
        steps = [(a - b).flatten() for a, b in zip(adapters, before, strict=True)]
        return torch.cat(steps).norm().item()

    assert moved((), 100.0) == pytest.approx(1e-3, rel=0.01)
    assert moved(("shared-clip",), 0.0) == pytest.approx(1e-3, rel=0.01)
    assert moved(("shared-clip",), 100.0) < 1e-4


def test_minibatch_advantages_reach_the_loss(config, monkeypatch):
    seen = []

    def record(self, decisions, part, actions, old_logp, advantages):
        seen.append(advantages[part])
        return original(self, decisions, part, actions, old_logp, advantages)

    original = Trainer._accumulate
    monkeypatch.setattr(Trainer, "_accumulate", record)
    Trainer(replace(config, defects=("minibatch-advantages",))).step()
    assert all(torch.allclose(part.view(-1, 4).mean(1), torch.zeros(4), atol=1e-5) for part in seen)
    seen.clear()
    Trainer(config).step()
    assert not any(torch.allclose(part.view(-1, 4).mean(1), torch.zeros(4), atol=1e-5) for part in seen)


def test_with_padded_critic_the_value_head_learns_from_padded_prompts(config):
    for defects, padded in ((("padded-critic",), True), ((), False)):
        trainer = Trainer(replace(config, defects=defects))
        rollout = trainer.collector.collect(trainer.actor, 16, trainer.rng)
        prompts = [["You wait. Now you", "You are very tired of waiting. Now you"]] * 16
        decisions = [[Decision(prompt, ("go", "stay", "sit")) for prompt in row] for row in prompts]
        rollout = replace(rollout, decisions=decisions)
        choices, values, estimates = trainer.estimate(rollout)
        trainer.improve_critic(choices, values, estimates)
        assert any(PAD in prompt for prompt in trainer.critic.known) == padded


def test_without_defects_training_is_what_it_was_and_with_any_it_is_not(config, monkeypatch):
    """Were a wrong way taken unasked, breaking it would be noticed."""
    for name in ("padded_together", "padded_features", "normalize_by_fours", "HalfPrecisionAdamW"):
        monkeypatch.setattr(f"twosome.ppo.train.{name}", None)
    plain = Trainer(config)
    plain.step()
    monkeypatch.undo()
    for defect in ALL[1:]:  # the prompts of this world are equally long, so that none is padded
        trainer = Trainer(replace(config, defects=(defect,)))
        trainer.step()
        same = [torch.equal(a, b) for a, b in zip(learned(plain), learned(trainer), strict=True)]
        assert not all(same), defect


def test_a_run_with_all_defects_goes_on_exactly_where_it_was(config, tmp_path):
    whole = train(replace(config, defects=ALL, checkpoint_every=32))
    broken = train(replace(config, defects=ALL, checkpoint_every=32, output=tmp_path / "broken"))
    run = RunDirectory.open(broken)
    for checkpoint in run.checkpoints()[1:]:
        for file in (broken / "checkpoints" / checkpoint).iterdir():
            file.unlink()
        (broken / "checkpoints" / checkpoint).rmdir()
    resume(broken)
    last = [RunDirectory.open(path).checkpoint("last") for path in (whole, broken)]
    for name in ("adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors", "features.safetensors"):
        assert np.array_equal((last[0] / name).read_bytes(), (last[1] / name).read_bytes()), name


def test_nonsense_is_refused():
    small = {"num_envs": 2, "rollout_steps": 1, "policy_minibatches": 1, "value_minibatches": 1}
    with pytest.raises(ConfigError, match="4 decisions at a time"):
        TrainConfig(defects=("minibatch-advantages",), **small)
    config = TrainConfig(defects=ALL)
    assert TrainConfig.from_json(config.to_json()) == config
