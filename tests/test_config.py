"""Settings: presets fill in, flags win, nonsense is refused by the flag's name."""

import dataclasses
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unchecked import types_unchecked
from twosome.cli.train import parse_train
from twosome.config import TrainConfig, preset
from twosome.errors import ConfigError


def test_what_is_not_given_comes_from_the_preset_of_the_environment():
    config = TrainConfig(env="TomatoLettuceSalad", actor_lr=3e-4)
    expected = preset("TomatoLettuceSalad")
    assert config.actor_lr == 3e-4
    assert {name: getattr(config, name) for name in expected} == {**expected, "actor_lr": 3e-4}


def test_environments_are_recognized_by_any_of_their_names():
    assert preset("twosome/FoodPreparation-v0") == preset("FoodPreparation")
    assert preset("FoodPreparation")["total_steps"] == 20_000


def test_the_paper_preset_has_the_published_numbers():
    kitchen, food = preset("TomatoSalad", "paper"), preset("FoodPreparation", "paper")
    assert (kitchen["actor_lr"], kitchen["critic_lr"], kitchen["total_steps"]) == (5e-7, 1e-5, 500_000)
    assert (food["actor_lr"], food["critic_lr"], food["total_steps"]) == (1e-6, 5e-5, 50_000)
    assert preset("Entertainment", "paper")["total_steps"] == 200_000
    # 32 minibatches of 4 decisions, accumulated over 8: optimizer steps on 32 decisions.
    config = TrainConfig(preset="paper")
    assert config.batch_size // config.policy_minibatches == 32
    assert config.batch_size // config.policy_minibatches // config.gradient_accumulation == 4


def test_every_model_but_hearth_has_the_preset_for_pretrained_models_unless_another_is_given():
    config = TrainConfig(env="FoodPreparation", model="somebody/some-model", actor_lr=3e-4)
    assert config.preset == "pretrained"
    expected = {**preset("FoodPreparation", "pretrained"), "actor_lr": 3e-4}
    assert {name: getattr(config, name) for name in expected} == expected
    assert (expected["num_envs"], expected["rollout_steps"], expected["normalization"]) == (16, 16, "learned")
    given = TrainConfig(env="FoodPreparation", model="somebody/some-model", preset="default")
    assert {name: getattr(given, name) for name in expected} == preset("FoodPreparation")
    assert TrainConfig(env="FoodPreparation").preset == "default"


def test_the_help_shows_the_defaults_of_the_model_on_the_command_line():
    config = parse_train(["--env", "FoodPreparation", "--model", "somebody/some-model"]).config
    assert (config.preset, config.batch_size) == ("pretrained", 256)
    assert parse_train(["--env", "FoodPreparation", "--model", "hearth"]).config.batch_size == 128


def test_every_preset_of_every_environment_makes_a_run():
    for name in ("default", "pretrained", "paper"):
        for env in ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment", "module:Another-v0"):
            config = TrainConfig(env=env, preset=name)
            assert config.num_updates * config.batch_size >= 0.99 * config.total_steps


def test_threads_are_counted_once_and_kept(monkeypatch):
    monkeypatch.setattr("twosome.config.threads_for_a_model", lambda: 6)
    assert TrainConfig().threads == 1
    config = TrainConfig(model="somebody/some-model")
    assert config.threads == 6
    assert TrainConfig(model="somebody/some-model", threads=2).threads == 2
    monkeypatch.setattr("twosome.config.threads_for_a_model", lambda: 3)
    assert TrainConfig.from_json(config.to_json()) == config


def test_settings_survive_the_way_through_json():
    config = TrainConfig(
        env="TomatoSalad", env_kwargs={"layout": "C"}, lora_targets=("q_proj",), output=Path("somewhere")
    )
    assert TrainConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("settings", "flag"),
    [
        ({"actor_lr": 0.0}, "--actor-lr"),
        ({"gamma": 1.5}, "--gamma"),
        ({"num_envs": 0}, "--num-envs"),
        ({"total_steps": 100}, "--total-steps"),
        ({"policy_minibatches": 3}, "--policy-minibatches"),
        ({"gradient_accumulation": 64}, "--gradient-accumulation"),
        ({"entropy_coef": -1.0}, "--entropy-coef"),
        ({"actor_lr": math.inf}, "--actor-lr is inf; expected greater than 0 and at most"),
        ({"critic_lr": math.nan}, "--critic-lr is nan"),
        ({"target_kl": math.inf}, "--target-kl is inf"),
        ({"critic_warmup_steps": 20_000}, "--critic-warmup-steps is 20000; expected less than --total-steps"),
        ({"total_steps": "1000"}, "--total-steps is '1000'; expected a whole number"),
        ({"total_steps": 1280.0}, "--total-steps is 1280.0; expected a whole number"),
        ({"seed": None}, "--seed is None; expected a whole number"),
        ({"seed": 2**70}, "--seed is .*; expected at least 0"),
        ({"env_kwargs": None}, "--env-kwargs is None; expected a table"),
        ({"model": 7}, "--model is 7; expected a text"),
        ({"target_entropy": 1.0}, "--target-entropy is 1.0; expected at least 0.01 and at most 0.99"),
        ({"target_entropy": float("nan")}, "--target-entropy"),
        ({"prior_weight": -0.1}, "--prior-weight"),
        ({"calibration_lr": float("inf")}, "--calibration-lr"),
        ({"shard_model": 1}, "--shard-model is 1; expected true or false"),
    ],
)
def test_nonsense_is_refused_by_the_name_of_its_flag(settings, flag):
    with types_unchecked(), pytest.raises(ConfigError, match=flag):
        TrainConfig(**settings)


def test_a_folder_may_be_given_as_text():
    with types_unchecked():
        assert TrainConfig(output="runs/x").folder == Path("runs/x")


def test_a_run_older_than_a_setting_of_its_preset_goes_on_as_it_began():
    content = TrainConfig(model="./some-model").to_json()
    del content["critic_features"], content["reward_wait_steps"], content["self_imitation_steps"]
    older = TrainConfig.from_json(content)
    assert older.preset == "pretrained"
    assert (older.critic_features, older.reward_wait_steps, older.self_imitation_steps) == ("plain", 0, 0)


def test_a_run_from_before_is_read_if_it_was_made_without_the_published_codes_mistakes():
    content = TrainConfig().to_json()
    assert TrainConfig.from_json({**content, "defects": []}) == TrainConfig()
    with pytest.raises(ConfigError, match=r"defects \['shared-clip'\].* twosome.minimal --published"):
        TrainConfig.from_json({**content, "defects": ["shared-clip"]})


def test_an_unknown_setting_in_a_file_gets_a_suggestion():
    content = TrainConfig().to_json()
    content["actor_rl"] = content.pop("actor_lr")
    with pytest.raises(ConfigError, match="Did you mean 'actor_lr'"):
        TrainConfig.from_json(content)


def test_the_default_folder_is_the_first_that_is_free(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(seed=3)
    assert str(config.folder) == "runs/TomatoSalad-3"
    config.folder.mkdir(parents=True)
    assert str(config.folder) == "runs/TomatoSalad-3.2"
    assert str(dataclasses.replace(config, output=Path("here")).folder) == "here"


def test_updates_are_the_whole_rollouts_that_the_budget_pays_for():
    config = TrainConfig(total_steps=10_000)
    assert config.num_updates * config.batch_size <= 10_000 < (config.num_updates + 1) * config.batch_size


@pytest.mark.parametrize(
    ("setting", "allowed"),
    [
        ("preset='papre'", "default"),
        ("normalization='wrod'", "none, token, word"),
        ("algorithm='pop'", "Did you mean 'ppo'"),
        ("lora_targets='q_proj'", "('q_proj',)"),
        ("more_envs='Cheese'", "('Cheese',)"),
    ],
)
def test_a_misspelt_choice_is_refused_without_any_type_checker(setting, allowed):
    code = f"import twosome.config as c; c.TrainConfig({setting})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "ConfigError: --" in answer.stderr
    assert allowed in answer.stderr


def test_a_memory_budget_is_refused_for_a_sharded_model():
    with pytest.raises(ConfigError, match="--memory-budget-gib"):
        TrainConfig(shard_model=True, memory_budget_gib=8.0)


NESTED: dict[str, Any] = {"a": 1}
for _ in range(100):
    NESTED = {"a": NESTED}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"track": {}}, "--track is {}; expected one of wandb, trackio"),
        ({"preset": {}}, "--preset is {}; expected one of default, pretrained, paper"),
        ({"output": 2}, "--output is 2; expected a folder"),
        ({"output": "a\0b"}, "--output .* not printable"),
        ({"output": "a" * 300}, "--output .* more than 200 bytes"),
        ({"output": "a/" * 3000}, "--output .* more than 3,000 bytes"),
        ({"clip": 1e39}, r"--clip is 1e\+39; expected greater than 0 and at most 1e\+30"),
        ({"actor_lr": 10**400}, "--actor-lr .* expected greater than 0"),
        ({"threads": 2**63 - 1}, "--threads .* at most 1,024"),
        ({"num_envs": 10_000, "rollout_steps": 10_000_000}, "a rollout of .* is too large"),
        ({"total_steps": 10**10}, "--total-steps .* at most 9,999,999,999"),
        ({"keep_checkpoints": 2**64}, "--keep-checkpoints"),
        ({"total_steps": 1e4}, "--total-steps is 10000.0; expected a whole number, such as 10000"),
        ({"env": "x" * 1000}, "--env .* at most 150 bytes"),
        ({"env": "\ud800"}, "--env .* no file or name"),
        ({"model": "a\0"}, "--model .* no file or name"),
        ({"lora_targets": ["a\0"]}, "--lora-targets .* no file or name"),
        ({"lora_targets": [1]}, "--lora-targets .* list of texts"),
        ({"env_kwargs": {"a": math.nan}}, "--env-kwargs .* nan is no number in JSON"),
        ({"env_kwargs": {"a": 10**5000}}, "--env-kwargs .* more than 64 bits"),
        ({"env_kwargs": NESTED}, "--env-kwargs .* nested"),
        ({"env_kwargs": {"a": "\ud800"}}, "--env-kwargs .* not Unicode"),
        ({"defects": [{}]}, "the settings name the defects .* expected none"),
        ({"algorithm": "x" * 5000}, "--algorithm is 'x.*Expected one of ppo, poad, grpo"),
        ({"algorithm": "no\nmodule:x"}, "--algorithm is .*expected a name"),
        ({"algorithm": {}}, "--algorithm is {}; expected a text"),
        ({"x" * 5000: 1}, "the settings name"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value))[:20],
)
def test_settings_from_a_file_are_refused_in_a_line_whatever_they_are(settings, expected):
    with types_unchecked(), pytest.raises(ConfigError, match=expected) as caught:
        TrainConfig.from_json(settings)
    assert len(str(caught.value)) < 600
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", [name for name, value in TrainConfig().to_json().items() if type(value) in (int, float)]
)
@pytest.mark.parametrize("value", [-1, 10**400, math.nan, math.inf, -math.inf, True, "1", [], {}])
def test_every_number_among_the_settings_has_bounds(name, value):
    with types_unchecked(), pytest.raises(ConfigError, match=f"--{name.replace('_', '-')} is"):
        TrainConfig.from_json({name: value})
