"""Settings of a training run, and the presets that fill in what is not given."""

import dataclasses
import difflib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from twosome import models
from twosome.algorithms import has_critic, require_algorithm
from twosome.errors import ConfigError, quote
from twosome.json_argument import JsonObject
from twosome.machine import threads_for_a_model
from twosome.setting_types import (
    Count,
    DType,
    Normalization,
    NotNegative,
    Positive,
    PromptFormat,
    Quantization,
    Range,
    Seed,
    Share,
    SmallCount,
    Threads,
    check_settings,
    refusal,
)

# Settings for the embedded model, tuned on TomatoSalad and TomatoLettuceSalad; see docs/training.md.
_DEFAULT: dict[str, Any] = {
    "normalization": "learned",
    "total_steps": 20_000,
    "num_envs": 4,
    "rollout_steps": 32,
    "actor_lr": 1e-3,
    "critic_lr": 1e-3,
    "epochs": 1,
    "policy_minibatches": 4,
    "gradient_accumulation": 1,
    "value_minibatches": 4,
    "clip": 0.2,
    "entropy_coef": 0.01,
    "entropy_coef_final": 0.01,
    "value_coef": 0.5,
    "max_grad_norm": 0.5,
    "gae_lambda": 0.95,
    "target_kl": 0.02,
    "advantage_std_floor": 0.1,
    "critic_warmup_steps": 0,
    "reward_wait_steps": 0,
    "self_imitation_steps": 0,
    "critic_features": "plain",
}

_DEFAULT_BY_ENV: dict[str, dict[str, Any]] = {
    "TomatoSalad": {"total_steps": 10_000},
    "TomatoLettuceSalad": {"total_steps": 60_000, "entropy_coef_final": 0.001},
    "FoodPreparation": {"total_steps": 20_000},
    "Entertainment": {"total_steps": 40_000, "entropy_coef_final": 0.001},
}

# For language models that were not made for these environments; from few trials with Gemma 3 270M, which
# docs/real-models.md tells. Equal decisions cost the model once, so rollouts are twice as large as hearth's; much
# larger ones leave too few updates. A minibatch of them meets nearly all of a rollout's distinct decisions, so a step
# on the whole costs little more than one on a quarter.
_PRETRAINED: dict[str, Any] = {
    **_DEFAULT,
    "total_steps": 40_960,
    "num_envs": 16,
    "rollout_steps": 16,
    "actor_lr": 3e-4,
    "policy_minibatches": 1,
    "reward_wait_steps": 4_096,
    "self_imitation_steps": 2,
    "critic_features": "centered",
    "value_minibatches": 16,
}

_PRETRAINED_BY_ENV: dict[str, dict[str, Any]] = {
    "TomatoSalad": {"total_steps": 16_384},
    "TomatoLettuceSalad": {"total_steps": 30_720, "entropy_coef_final": 0.001},
    "FoodPreparation": {"total_steps": 8_192},
    "Entertainment": {"total_steps": 40_960, "entropy_coef_final": 0.001},
}

# Tan et al., 2024, appendix: for LLaMA-7B. Its 32 minibatches of 4 decisions, accumulated over 8, are 4
# optimizer steps of 32 decisions in 8 parts. Two things differ on purpose: its minibatches of 4 normalized
# their own advantages, ours are normalized over the rollout; and its AdamW kept fp16 state, ours fp32.
_PAPER: dict[str, Any] = {
    **_DEFAULT,
    "normalization": "word",
    "total_steps": 500_000,
    "actor_lr": 5e-7,
    "critic_lr": 1e-5,
    "gradient_accumulation": 8,
    "advantage_std_floor": 0.0,
}

_PAPER_BY_ENV: dict[str, dict[str, Any]] = {
    "FoodPreparation": {"total_steps": 50_000, "actor_lr": 1e-6, "critic_lr": 5e-5},
    "Entertainment": {"total_steps": 200_000, "actor_lr": 1e-6, "critic_lr": 5e-5},
}


_MOST_DECISIONS = 9_999_999_999
"""A checkpoint's name has room for ten digits."""
Decisions = Annotated[int, Range(0, _MOST_DECISIONS)]
_LARGEST_ROLLOUT = 10**7
_LONGEST_ENV = 150
"""The run's folder is named after it."""
_MOST_ENVS = 1_000
"""In one run."""


def preset(env: str, name: str = "default", more_envs: Sequence[str] = ()) -> dict[str, Any]:
    """The settings that a preset gives for an environment, by name of the field.

    For several, the budget is the sum of their own, and `num_envs` is rounded up to a multiple of how many they are;
    where their own settings differ otherwise, the one for environments in general stands.

    Args:
        env: the environment.
        name: of the preset.
        more_envs: further environments of the same run.

    Raises:
        ConfigError: there is no such preset.
    """
    presets = {
        "default": (_DEFAULT, _DEFAULT_BY_ENV),
        "pretrained": (_PRETRAINED, _PRETRAINED_BY_ENV),
        "paper": (_PAPER, _PAPER_BY_ENV),
    }
    if name not in presets:
        raise ConfigError(f"--preset: there is no preset {quote(name)}; there are {', '.join(presets)}.")
    common, by_env = presets[name]
    own = [{**common, **by_env.get(world_name(each).rsplit("-v", 1)[0], {})} for each in (env, *more_envs)]
    if not more_envs:
        return own[0]
    agreed = {
        key: value if all(one[key] == own[0][key] for one in own) else common[key] for key, value in own[0].items()
    }
    side_by_side = -(-common["num_envs"] // len(own)) * len(own)
    return {**agreed, "total_steps": sum(one["total_steps"] for one in own), "num_envs": side_by_side}


def world_name(env: str) -> str:
    """What metrics and pictures call an environment: its id, without the module that registers it.

    >>> world_name("twosome/TomatoSalad-v0"), world_name("my_package:mine/Env-v0")
    ('TomatoSalad-v0', 'mine/Env-v0')
    """
    return env.rpartition(":")[2].removeprefix("twosome/")


def shown_envs(told: Mapping[str, Any]) -> str:
    """The environments of a run for headings, as `TrainConfig.told_envs` tells them.

    >>> shown_envs({"env": "twosome/TomatoSalad-v0", "more_envs": ["mine/Env-v0"]})
    'TomatoSalad-v0 + mine/Env-v0'
    """
    return " + ".join(env.removeprefix("twosome/") for env in (told["env"], *told.get("more_envs", ())))


def worlds_in(metrics: Mapping[str, Any]) -> list[str]:
    """The environments of which a row of metrics has numbers of their own; none of a run with a single one.

    >>> worlds_in({"return_mean": 0.5, "A-v0/return_mean": 0.4, "my/B-v0/return_mean": 0.6})
    ['A-v0', 'my/B-v0']
    """
    return [name.removesuffix("/return_mean") for name in metrics if name.endswith("/return_mean")]


def of_world(metrics: Mapping[str, Any], world: str) -> dict[str, Any]:
    """A row of metrics with the numbers of one environment in place of those of all.

    >>> of_world({"decisions": 256, "return_mean": 0.5, "A-v0/return_mean": 0.4, "B-v0/return_mean": 0.6}, "A-v0")
    {'decisions': 256, 'return_mean': 0.4}
    """
    common = {name: value for name, value in metrics.items() if "/" not in name}
    return common | {n.removeprefix(f"{world}/"): v for n, v in metrics.items() if n.startswith(f"{world}/")}


_BEFORE: dict[str, Any] = {"reward_wait_steps": 0, "critic_features": "plain", "self_imitation_steps": 0}
"""What runs did that are older than these settings, whatever their preset says of them now."""

_FROM_PRESET: Any = None
"""Of a field that the preset fills in when it is not given; after construction it is never None."""
_FROM_MODEL: Any = None
"""Of a field whose default the model decides; after construction it is never None."""


@dataclass(frozen=True)
class TrainConfig:
    """Everything that a training run depends on. The command's flags are these fields.

    A field that is not given takes the value of the preset for the environment.
    """

    env: str = "TomatoSalad"
    """Environment to act in: a name that `twosome envs` lists, or any Gymnasium id that keeps its contract. On the
    command line it may be given several times: one policy is trained in all of them at once."""
    more_envs: tuple[str, ...] = ()
    """Further environments of the same run; --env given again says the same."""
    env_kwargs: JsonObject = field(default_factory=dict)
    """Keyword arguments of the environment as a JSON object, such as '{"task": "onion salad"}'; of a single one."""
    model: str = "hearth"
    """Language model: the embedded "hearth", a Hugging Face id, a folder, or a GGUF file."""
    preset: Literal["default", "pretrained", "paper"] = _FROM_MODEL
    """Where settings that are not given come from: tuned for hearth (default), for models pre-trained on other texts
    (when not given, that of every other model), or published for LLaMA-7B (paper)."""
    normalization: Normalization = _FROM_PRESET
    """What an action's joint log-probability is divided by (pmi: what is subtracted from it; learned: both, in an
    amount that is set from the policy's entropy before training and then trained)."""
    context_free_prompt: str = "Now you"
    """For pmi and learned: the prompt under which phrases are scored without a situation."""
    target_entropy: Annotated[float, Range(0.01, 0.99)] = 0.8
    """For learned: the temperature starts where the untrained policy's entropy is this share of the greatest."""
    prior_weight: Annotated[float, Range(0, 100)] = 1.0
    """For learned: the share of a phrase's log-probability without a situation that is subtracted at the start."""
    calibration_lr: Annotated[float, Range(0, 100)] = 0.02
    """For learned: learning rate of log temperature and prior's weight (Adam), annealed linearly to 0; 0: fixed."""
    algorithm: str = "ppo"
    """What credit goes to: actions, judged by a critic (ppo), or by equal decisions, without one (grpo, to which the
    settings of critic and GAE mean nothing); or the choices among tokens that make up an action (poad). Your own:
    the name that it is registered under, or MODULE:NAME to import it."""
    seed: Seed = 1
    """Seed of the adapters, the value head, the environments and the sampling."""
    total_steps: Decisions = _FROM_PRESET
    """Budget in decisions, summed over the environments."""
    output: Path | None = None
    """Folder of the run, new or empty; when not given, the first of runs/ENV-SEED, runs/ENV-SEED.2 ... that is free."""

    num_envs: SmallCount = _FROM_PRESET
    """Environments that are stepped side by side (E); those of --env have equal shares of them."""
    env_workers: Annotated[int, Range(0, 10_000)] = 0
    """Step environments in processes of their own, so many at a time, with the same results; 0: in this process, one
    after the other. See docs/slow-environments.md."""
    step_timeout: Positive | None = None
    """With --env-workers: seconds after which a step or a reset counts as hanging, and its process is ended."""
    max_lost: Annotated[int, Range(0, 10**7)] | None = None
    """Episodes that may be lost to environments that crash or hang before the run stops; the environment begins anew.
    When not given, 10 with --env-workers, else none."""
    rollout_steps: Count = _FROM_PRESET
    """Decisions in each environment between two updates (T)."""
    actor_lr: Positive = _FROM_PRESET
    """Learning rate of the adapters, or of all weights (AdamW without weight decay), annealed linearly to 0."""
    critic_lr: Positive = _FROM_PRESET
    """Learning rate of the value head (Adam), annealed linearly to 0."""
    epochs: SmallCount = _FROM_PRESET
    """Passes over each rollout."""
    policy_minibatches: Count = _FROM_PRESET
    """Optimizer steps of the actor in each pass."""
    gradient_accumulation: Count = _FROM_PRESET
    """Equal parts in which a policy minibatch is computed: less memory, the same result."""
    value_minibatches: Count = _FROM_PRESET
    """Optimizer steps of the value head in each pass."""
    clip: Positive = _FROM_PRESET
    """How far the probability ratio, and the value, may move in an update before it stops paying."""
    entropy_coef: NotNegative = _FROM_PRESET
    """Weight of the policy's entropy at the start."""
    entropy_coef_final: NotNegative = _FROM_PRESET
    """Weight of the policy's entropy at the end; linear in between."""
    critic_features: Literal["plain", "centered"] = _FROM_PRESET
    """centered: the value head sees how a state's features differ from what those of the first rollout have in common,
    which in large pre-trained models is nearly everything."""
    value_coef: NotNegative = _FROM_PRESET
    """Weight of the value loss (itself half a squared error)."""
    max_grad_norm: Positive = _FROM_PRESET
    """Gradients longer than this are scaled down, adapters and value head apart."""
    gamma: Share | None = None
    """Discount per primitive step; by default each environment's own, or 0.99 where it has none."""
    gae_lambda: Share = _FROM_PRESET
    """Weight of later errors in an advantage, per decision."""
    target_kl: NotNegative = _FROM_PRESET
    """An approximate KL beyond this drops the minibatch and ends the policy update of the rollout; 0: never."""
    advantage_std_floor: NotNegative = _FROM_PRESET
    """Advantages are divided by their spread over the rollout, but by no less than this."""
    normalize_rewards: bool = False
    """Divide rewards by the environment's largest return so far before learning from them; reports keep its units."""
    critic_warmup_steps: Decisions = _FROM_PRESET
    """Decisions during which only the value head learns."""
    reward_wait_steps: Decisions = _FROM_PRESET
    """Leave the policy as it is after a rollout without any reward, until so many decisions have passed without one:
    what moves it there is the critic's noise and the entropy bonus, away from what the model knows. 0: never."""
    self_imitation_steps: Annotated[int, Range(0, 10_000)] = _FROM_PRESET
    """Steps in each update towards what the latest rewarded episodes did and the critic did not expect (Oh et al.,
    2018), until half of the episodes are rewarded: for rewards that are rare. 0: none."""
    warm_start_episodes: Annotated[int, Range(0, 10**7)] = 0
    """Episodes of each environment's planner to imitate before the first update; with --total-steps 0 that is all."""

    tuning: Literal["lora", "full"] = "lora"
    """What is trained: low-rank adapters on the frozen model, or all its weights, in float32."""
    random_init: bool = False
    """Begin with random weights, drawn from the seed, in place of the model's own: no prior."""
    lora_rank: SmallCount = 8
    """Inner dimension of the adapters."""
    lora_alpha: Annotated[int, Range(1, 10**6)] = 16
    """The adapters' output is scaled by alpha / rank."""
    lora_targets: tuple[str, ...] = ()
    """Linear layers to adapt; empty: PEFT's choice for the family (query and value projections)."""
    lora_layers: SmallCount | None = None
    """Adapt so many of the model's upper layers alone: what the ones below make of a decision is computed once and
    kept, which makes updates faster. When not given, all layers are adapted."""
    dtype: DType = "auto"
    """Precision of the frozen model; adapters and value head are always float32."""
    quantization: Quantization = None
    """Load the frozen model in fewer bits (needs the extra `quantization`)."""
    prompt_format: PromptFormat = "plain"
    """chat: through the tokenizer's chat template, the unfinished sentence as the assistant's beginning."""
    trust_remote_code: bool = False
    """Run Python code that comes with the model. Only for sources you trust."""
    device: str = "auto"
    """Where the model runs: cpu, cuda, cuda:1 ...; auto: a GPU if there is one."""
    shard_model: bool = False
    """Spread the frozen model over the processes that train together, where it is too large for one device."""
    max_tokens_per_forward: Annotated[int, Range(1, 2**31 - 1)] = 16_384
    """Bound on the tokens in the model at once, with their gradients too; smaller needs less memory, and more time."""
    memory_budget_gib: Positive | None = None
    """Memory in GiB (2**30 bytes) for weights and training; --max-tokens-per-forward is lowered to what fits."""
    gradient_checkpointing: bool = False
    """Keep each layer's input alone for the backward pass and compute the rest once more: less memory, more time."""
    threads: Threads = _FROM_MODEL
    """CPU threads of PyTorch; when not given, one for hearth, and for another model one for each physical core that
    this process may use, up to 8. Only the same number repeats a run exactly."""

    checkpoint_every: Annotated[int, Range(1, _MOST_DECISIONS)] = 1280
    """Decisions between checkpoints; there is always one at the start and at the end."""
    keep_checkpoints: Count = 2
    """How many of the latest checkpoints to keep, beside the best."""
    track: Literal["wandb", "trackio"] | None = None
    """Also report to Weights & Biases or trackio (needs the extra of that name)."""

    def __post_init__(self) -> None:
        if isinstance(self.output, str):
            object.__setattr__(self, "output", Path(self.output))
        check_settings(self, flags=True, unset={*_DEFAULT, "preset", "threads"})
        embedded = self.model in models.NAMES
        for name, value in {
            "preset": "default" if embedded else "pretrained",
            "threads": 1 if embedded else threads_for_a_model(),
        }.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._require("more_envs", len(self.more_envs) < _MOST_ENVS, f"fewer than {_MOST_ENVS:,} names")
        given = preset(self.env, self.preset, self.more_envs)
        if not has_critic(self.algorithm):
            given["self_imitation_steps"] = 0  # it is the critic that says what went well
        for name, value in given.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        self._check_envs()
        ok = self.step_timeout is None or self.env_workers > 0
        self._require("step_timeout", ok, "none without --env-workers: only another process can be given up")
        self._check_sharding()
        self._check_divisions()
        self._check_algorithm()
        self._check_weights()

    def _check_envs(self) -> None:
        for name, envs in {"env": (self.env,), "more_envs": self.more_envs}.items():
            ok = all(len(env.encode()) <= _LONGEST_ENV for env in envs)
            self._require(name, ok, f"a name of at most {_LONGEST_ENV} bytes")
        if not self.more_envs:
            return
        count = len(self.worlds)
        if twice := next((world for world, number in Counter(self.worlds).items() if number > 1), None):
            raise ConfigError(
                f"--env names {quote(twice)} twice; expected different environments, which share --num-envs equally. "
                "Name it once, or register it under another id for a version of its own."
            )
        if self.env_kwargs:
            raise ConfigError(
                f"--env-kwargs is {quote(self.env_kwargs)} for {count} environments; expected none, since each would "
                "have arguments of its own. Register an environment with its arguments under an id of its own, and "
                "name that with --env."
            )
        if self.num_envs % count:
            nearest = max(1, self.num_envs // count) * count
            raise ConfigError(
                f"--num-envs is {self.num_envs} for {count} environments; expected a multiple of {count}, so that "
                f"each has as many side by side as the others. Take {nearest}, or leave it out."
            )

    def _check_sharding(self) -> None:
        if self.shard_model and self.memory_budget_gib is not None:
            raise ConfigError(
                "--memory-budget-gib does not know how much of a model that --shard-model spreads is on one device. "
                "Leave it out, and set --max-tokens-per-forward."
            )

    def _check_divisions(self) -> None:
        batch = self.batch_size
        if batch > _LARGEST_ROLLOUT:
            raise ConfigError(
                f"a rollout of --num-envs {self.num_envs} x --rollout-steps {self.rollout_steps} = {batch:,} decisions "
                f"is too large; expected at most {_LARGEST_ROLLOUT:,}. Lower one of them."
            )
        enough = self.total_steps >= batch or (self.total_steps == 0 and self.warm_start_episodes > 0)
        self._require("total_steps", enough, f"at least one rollout of {batch} decisions, or 0 after a warm start")
        parts = self.policy_minibatches * self.gradient_accumulation
        if batch % parts or batch % self.value_minibatches:
            raise ConfigError(
                f"a rollout of --num-envs {self.num_envs} x --rollout-steps {self.rollout_steps} = {batch} decisions "
                f"must divide into --policy-minibatches {self.policy_minibatches} x --gradient-accumulation "
                f"{self.gradient_accumulation} = {parts} equal parts and into --value-minibatches "
                f"{self.value_minibatches}. Change one of them."
            )

    def _check_algorithm(self) -> None:
        require_algorithm(self.algorithm)
        ok = self.critic_warmup_steps < max(1, self.total_steps)
        self._require("critic_warmup_steps", ok, "less than --total-steps, or no policy is learned")
        ok = self.critic_warmup_steps == 0 or has_critic(self.algorithm)
        self._require("critic_warmup_steps", ok, f"0, since --algorithm {self.algorithm} has no critic")
        ok = self.self_imitation_steps == 0 or has_critic(self.algorithm)
        self._require("self_imitation_steps", ok, f"0, since --algorithm {self.algorithm} has no critic")

    def _check_weights(self) -> None:
        """Settings that need the model's own weights, or weights that stay."""
        changed = "--tuning full" if self.tuning == "full" else "--random-init" if self.random_init else None
        if changed is not None:
            self._require("quantization", self.quantization is None, f"none with {changed}")
            self._require("shard_model", not self.shard_model, f"False with {changed}")
        if self.lora_layers is not None:
            self._require("tuning", self.tuning == "lora", "lora with --lora-layers")
            self._require("shard_model", not self.shard_model, "False with --lora-layers")
        if self.warm_start_episodes:
            self._require("shard_model", not self.shard_model, "False with --warm-start-episodes")

    def _require(self, name: str, holds: bool, expected: str) -> None:
        if not holds:
            raise refusal(f"--{name.replace('_', '-')}", getattr(self, name), expected)

    @property
    def envs(self) -> tuple[str, ...]:
        """All environments of the run; number i of those that are stepped side by side is of the kind i modulo them."""
        return (self.env, *self.more_envs)

    @property
    def worlds(self) -> tuple[str, ...]:
        """What metrics call them."""
        return tuple(map(world_name, self.envs))

    @property
    def shown_envs(self) -> str:
        """All of them, for headings."""
        return shown_envs(self.told_envs)

    @property
    def told_envs(self) -> dict[str, Any]:
        """All of them, as documents tell them."""
        return {"env": self.env, **({"more_envs": list(self.more_envs)} if self.more_envs else {})}

    @property
    def folder(self) -> Path:
        """Where the run goes: ``output``, or the first free folder of the default name."""
        if self.output is not None:
            return self.output
        names = (env.removeprefix("twosome/").replace("/", "-").replace(":", "-") for env in self.envs)
        name = f"{'+'.join(names).encode()[:_LONGEST_ENV].decode(errors='ignore')}-{self.seed}"
        candidates = (Path("runs") / (name if i == 1 else f"{name}.{i}") for i in itertools.count(1))
        return next(path for path in candidates if not path.exists())

    @property
    def asks_frozen_model(self) -> bool:
        """Whether phrases are scored without a situation too, by the model as it was before training."""
        return self.normalization in ("pmi", "learned")

    @property
    def learns_normalization(self) -> bool:
        """Whether temperature and prior's weight are learned."""
        return self.normalization == "learned"

    @property
    def batch_size(self) -> int:
        """Decisions in a rollout."""
        return self.num_envs * self.rollout_steps

    @property
    def lost_limit(self) -> int:
        """How many episodes may be lost."""
        return self.max_lost if self.max_lost is not None else 10 if self.env_workers else 0

    @property
    def num_updates(self) -> int:
        """Whole rollouts that the budget pays for."""
        return self.total_steps // self.batch_size

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON; `from_json` gives an equal config back. One environment is no list."""
        content = dataclasses.asdict(self)
        if not self.more_envs:
            del content["more_envs"]
        content["output"] = None if self.output is None else str(self.output)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in content.items()}

    @classmethod
    def completed(cls, content: dict[str, Any]) -> dict[str, Any]:
        """The settings in a config.json, those that are younger than the run at what it did without them.

        A baseline's, which has a kind, stay as they are.

        Raises:
            ConfigError: a setting is unknown.
        """
        return content if "kind" in content else cls.from_json(content).to_json()

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainConfig":
        """The config that `to_json` described.

        Raises:
            ConfigError: a setting is unknown.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        content = _without_defects(content)
        for name in content:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {close[0]!r}?" if close else ""
                raise ConfigError(f"the settings name {quote(name)}, which this version does not know.{hint}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in {**_BEFORE, **content}.items()
        }
        if isinstance(output := content.get("output"), str):
            values["output"] = Path(output)
        return cls(**values)


def _without_defects(content: dict[str, Any]) -> dict[str, Any]:
    """Settings from before the published code's mistakes had a page of their own."""
    if "defects" not in content:
        return content
    if content["defects"] != []:
        raise ConfigError(
            f"the settings name the defects {quote(content['defects'])}; expected none, since training has no mistakes "
            "to switch on any more. python -m twosome.minimal --published trains with them; an earlier version of "
            "twosome reads this run."
        )
    return {name: value for name, value in content.items() if name != "defects"}
