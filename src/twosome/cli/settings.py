"""The settings of training as flags in groups: those who read the help look for a kind of setting, not for a field."""

import ast
import dataclasses
import functools
import inspect
from typing import Annotated, Any, get_type_hints

import tyro

from twosome.config import TrainConfig

GROUPS = {
    "environment": ("env", "more_envs", "env_kwargs"),
    "model": (
        "model",
        "normalization",
        "context_free_prompt",
        "target_entropy",
        "prior_weight",
        "calibration_lr",
        "prompt_format",
        "dtype",
        "quantization",
        "random_init",
        "trust_remote_code",
    ),
    "training": (
        "preset",
        "algorithm",
        "seed",
        "total_steps",
        "num_envs",
        "rollout_steps",
        "gamma",
        "gae_lambda",
        "normalize_rewards",
        "warm_start_episodes",
        "critic_warmup_steps",
        "reward_wait_steps",
        "self_imitation_steps",
    ),
    "PPO": (
        "actor_lr",
        "critic_lr",
        "epochs",
        "policy_minibatches",
        "gradient_accumulation",
        "value_minibatches",
        "clip",
        "entropy_coef",
        "entropy_coef_final",
        "critic_features",
        "value_coef",
        "max_grad_norm",
        "target_kl",
        "advantage_std_floor",
    ),
    "adapters": ("tuning", "lora_rank", "lora_alpha", "lora_targets", "lora_layers"),
    "resources": (
        "device",
        "threads",
        "max_tokens_per_forward",
        "memory_budget_gib",
        "gradient_checkpointing",
        "shard_model",
    ),
}
"""Each group's settings in the order of the help; settings of no group stand beside the command's own flags."""


def with_settings(command: type, default: TrainConfig) -> type:
    """Options for `parse`: a command's own flags but `config`, and in groups the settings that make one.

    Args:
        command: a dataclass with a field `config`, for which the settings stand.
        default: its settings are the defaults.
    """
    own = [_flag(command, field.name, field.default) for field in dataclasses.fields(command) if field.name != "config"]
    grouped = {name for names in GROUPS.values() for name in names}
    ungrouped = [field.name for field in dataclasses.fields(TrainConfig) if field.name not in grouped]
    groups = [_group(title, [_setting(name, default) for name in names]) for title, names in GROUPS.items()]
    fields = [*own, *(_setting(name, default) for name in ungrouped), *groups]
    return dataclasses.make_dataclass(command.__name__, fields, namespace={"__doc__": command.__doc__}, frozen=True)


def command_from(options: Any, command: type) -> Any:
    """The command with its config, from what `parse` made of the flags.

    Raises:
        ConfigError: settings are out of range or contradict each other.
    """
    values = {field.name: getattr(options, field.name) for field in dataclasses.fields(options)}
    for title in GROUPS:
        values |= vars(values.pop(title))
    settings = {field.name: values.pop(field.name) for field in dataclasses.fields(TrainConfig)}
    return command(config=TrainConfig(**settings), **values)


def _group(title: str, fields: list[Any]) -> tuple[str, Any, Any]:
    made = dataclasses.make_dataclass(title, fields, frozen=True, namespace={"__doc__": ""})
    return title, made, dataclasses.field(default_factory=made)


def _setting(name: str, default: TrainConfig) -> tuple[str, Any, Any]:
    return _flag(TrainConfig, name, getattr(default, name))


def _flag(owner: type, name: str, default: Any) -> tuple[str, Any, Any]:
    """A field for `make_dataclass`, with the type and the sentence that it has in its owner."""
    hint = _hints(owner)[name]
    return (
        name,
        Annotated[hint, tyro.conf.arg(help=sentences(owner)[name])],
        dataclasses.field(default_factory=lambda: default),
    )


@functools.cache
def _hints(owner: type) -> dict[str, Any]:
    return get_type_hints(owner, include_extras=True)


@functools.cache
def sentences(owner: type) -> dict[str, str]:
    """What is written under each field of a dataclass, as one line."""
    (body,) = ast.parse(inspect.getsource(owner)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            found[field.target.id] = " ".join(ast.literal_eval(below.value).split())
    return found
