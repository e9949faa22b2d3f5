"""What is to be evaluated: the options of `twosome eval`, and what can be refused before a model is loaded."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from twosome import models
from twosome.config import TrainConfig
from twosome.envs.arguments import check_choice
from twosome.envs.checked import raised
from twosome.envs.named import NamedEnv
from twosome.errors import ConfigError, TwosomeError, quote
from twosome.evaluate.loading import ModelOptions
from twosome.extras import require_extras
from twosome.runs import RunDirectory
from twosome.setting_types import Normalization, Positive, Range, Threads, check_settings, refusal
from twosome.trust import read_settings

_WITHOUT_MODEL = ("random", "planner")
_HERE = ("planner", "saycan")
"""Who plays in this process alone."""
POLICIES = ("model", *_WITHOUT_MODEL, "saycan")

OTHERS = ("untrained", *_WITHOUT_MODEL)
"""Who can be shown beside a run's policy; else it is another of its checkpoints."""


def own_policy(name: str) -> Callable[[], Any]:
    """The class that ``"module:Class"`` names; importing its module runs code, of whoever gives the command.

    Raises:
        ConfigError: there is no such class, or its module fails.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Callable[[], Any] = getattr(importlib.import_module(module), attribute)
    except (TwosomeError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ConfigError(
            f"--policy {quote(name)} cannot be imported: Python {raised(error)}. Expected module:Class, a class in a "
            "module of the current folder or of an installed package that is made without arguments."
        ) from error
    return found


@dataclass(frozen=True)
class Request:
    """Who is to play in which environment, as the options of `twosome eval` say; the rest of them is explained there.

    Raises:
        ConfigError: options contradict each other, name nobody or are out of range.
        RunError: there is no such run, or not the checkpoint that is named.
        EnvError: there is no such environment.
        ModelError: there is no such folder with a model.
    """

    run: Path | None = None
    model: str | None = None
    policy: str = "model"
    env: str | None = None
    env_kwargs: dict[str, Any] = field(default_factory=dict)
    split: Literal["train", "test"] | None = None
    checkpoint: str | None = None
    normalization: Normalization | None = None
    greedy: bool = False
    loading: ModelOptions = field(default_factory=ModelOptions)
    affordance_decisions: Annotated[int, Range(4, 2**31 - 1)] | None = None
    affordance_seed: Annotated[int, Range(0, 2**31 - 1)] | None = None
    threads: Threads = 1
    env_workers: Annotated[int, Range(0, 10_000)] | None = None
    step_timeout: Positive | None = None

    def __post_init__(self) -> None:
        check_settings(self, flags=True)
        self._check_flags()
        config = self.config()
        for env, env_kwargs in self.environments():
            replace(self.named_env(), name=env, kwargs=env_kwargs).require_made()
        if self.policy == "saycan" and len(self.environments()) > 1:
            raise ConfigError(
                f"--policy saycan learns what it can do in one environment, and {self.run} was trained in "
                f"{len(self.environments())}. Name one of them with --env."
            )
        if self.policy in _WITHOUT_MODEL or self.is_own_policy:
            return
        if config is None and self.policy == "model" and self.model is None:
            raise ConfigError(
                "there is nobody to evaluate: give a run directory, or --model hearth for the untrained model, "
                "or --policy random, planner or saycan."
            )
        require_extras(quantization=self.loading.quantization)
        if config is not None and (self.model is None or models.is_same_model(config.model, self.model)):
            self._leave_to_the_run()
        models.locate(self.named_model())
        if config is not None and self.run is not None and self.model is None and self.policy == "model":
            if self.normalization == "learned" != config.normalization:
                raise ConfigError(
                    f"--normalization learned means nothing to {self.run}, which was trained with "
                    f"{config.normalization} and has learned no temperature. Leave it out, or choose another."
                )
            if self.normalization == "pmi" and config.tuning == "full" and not config.asks_frozen_model:
                raise ConfigError(
                    "--normalization pmi asks the frozen model, and a run with --tuning full has changed all of it. "
                    "Choose another."
                )
            RunDirectory.open(self.run).checkpoint(self.checkpoint or "last")

    def config(self) -> TrainConfig | None:
        """Settings of the run, if one is given."""
        if self.run is None:
            return None
        loads = self.policy not in _WITHOUT_MODEL and not self.is_own_policy
        return read_settings(RunDirectory.open(self.run), loads=loads, plays=self.env is None)

    @property
    def is_own_policy(self) -> bool:
        """Whether the policy is a class of the user's."""
        return ":" in self.policy

    def environments(self) -> list[tuple[str, dict[str, Any]]]:
        """The environments to play in, and their keyword arguments; by default all that the run was trained in."""
        config, env_kwargs = self.config(), self.env_kwargs
        envs = [self.env or "TomatoSalad"]
        if self.env is None and config is not None:
            envs, env_kwargs = list(config.envs), self.env_kwargs or config.env_kwargs
        return [(env, env_kwargs if self.split is None else {**env_kwargs, "split": self.split}) for env in envs]

    def environment(self) -> tuple[str, dict[str, Any]]:
        """The first of them."""
        return self.environments()[0]

    def named_env(self) -> NamedEnv:
        """The first environment to play in, in the processes that the options name, or else the run's settings.

        A planner looks into the environment, and SayCan learns in it: these play in this process.
        """
        workers, timeout_s = self.env_workers, self.step_timeout
        if (config := self.config()) is not None:
            workers = config.env_workers if workers is None else workers
            timeout_s = config.step_timeout if timeout_s is None else timeout_s
        if self.policy in _HERE or not workers:
            return NamedEnv(*self.environment())
        return NamedEnv(*self.environment(), workers, timeout_s)

    def named_model(self) -> str:
        """The language model's name: that which is given, the run's, or the embedded one."""
        config = self.config()
        return self.model or ("hearth" if config is None else config.model)

    def _check_flags(self) -> None:
        given = {
            "--model": self.model,
            "--checkpoint": self.checkpoint,
            "--normalization": self.normalization,
            "--greedy": self.greedy or None,
        }
        flags = [flag for flag, value in given.items() if value is not None] + self.loading.flags()
        if self.is_own_policy:
            own_policy(self.policy)
            flags = [flag for flag in flags if flag != "--greedy"]
        else:
            check_choice("--policy", self.policy, POLICIES)
        if (self.policy in _WITHOUT_MODEL or self.is_own_policy) and flags:
            raise ConfigError(f"{_named(flags)} nothing to --policy {self.policy}, which asks no language model.")
        if self.policy in _HERE and self.env_workers:
            raise ConfigError(f"--env-workers means nothing to --policy {self.policy}, which plays in this process.")
        if self.step_timeout is not None and not self.named_env().workers:
            raise refusal(
                "--step-timeout", self.step_timeout, "none without --env-workers: only another process can be given up"
            )
        learnt = {"--affordance-decisions": self.affordance_decisions, "--affordance-seed": self.affordance_seed}
        flags = [flag for flag, value in learnt.items() if value is not None]
        if self.policy != "saycan" and flags:
            raise ConfigError(f"{_named(flags)} nothing to --policy {self.policy}: only saycan learns an affordance.")
        if self.policy == "saycan" and self.checkpoint is not None:
            raise ConfigError("--checkpoint means nothing to --policy saycan, whose language model is untrained.")
        if self.model is not None and self.checkpoint is not None:
            raise ConfigError(
                f"--checkpoint chooses among those of a run, but --model {self.model} is untrained. Leave one of them "
                "out."
            )

    def _leave_to_the_run(self) -> None:
        if flags := self.loading.left_to_a_run():
            raise ConfigError(
                f"{_named(flags)} nothing here: a run loads its model with its own settings, in its config.json."
            )


def _named(flags: list[str]) -> str:
    """The subject of a sentence, with its verb."""
    return f"{', '.join(flags)} {'means' if len(flags) == 1 else 'mean'}"
