"""What a trainer is made of, from the settings of a run or from one of its checkpoints."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from twosome import models
from twosome._malloc import keep_freed_memory
from twosome.algorithms import algorithm_class, has_critic, qualified
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.distributed import Ranks
from twosome.envs import callables, text
from twosome.errors import ConfigError, quote
from twosome.extras import require_extras
from twosome.launch import require_equal_shares
from twosome.policy.calibration import Calibration
from twosome.policy.critic import Critic, State
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.loading import load_scorer
from twosome.policy.sharding import load_sharded_scorer
from twosome.policy.tuning import (
    adapters_of,
    attach_to,
    fresh_value_head,
    frozen_copy,
    frozen_features,
    recompute_layers,
    trainable,
)
from twosome.ppo.cloning import imitate
from twosome.ppo.credit import Algorithm
from twosome.ppo.environments import envs_of, gammas_of, losses_of, sources_of
from twosome.ppo.gae import Gamma
from twosome.ppo.microbatch import fit_to_memory
from twosome.rollout import Collector, random_decisions
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer

MakeEnv = Callable[..., Any]
"""Makes one Gymnasium environment; is called with the settings' `env_kwargs`."""


@dataclass(frozen=True)
class Parts:
    """Everything that a training run works with.

    Attributes:
        config: the settings; with a single environment, with the discount that applies.
        gammas: the discount of each environment.
        scorer: the model that is trained.
        frozen: the model as it was before training.
        actor: the policy.
        critic: the value head; without a critic it stays as it is.
        collector: the environments.
        algorithm: gives credit.
        optimizers: by the name that their learning rate has in the settings.
        rng: of actions and minibatches.
    """

    config: TrainConfig
    gammas: tuple[float, ...]
    scorer: ActionScorer
    frozen: ActionScorer
    actor: LanguageModelPolicy
    critic: Critic
    collector: Collector
    algorithm: Algorithm
    optimizers: dict[str, torch.optim.Optimizer]
    rng: np.random.Generator

    @property
    def has_critic(self) -> bool:
        """Whether the value head is trained."""
        return has_critic(self.config.algorithm)


def resolve_config(config: TrainConfig, env: MakeEnv | None, ranks: Ranks) -> TrainConfig:
    """The settings with names that mean the same in every process, once a run of them could begin.

    Args:
        config: as given.
        env: makes the environment in place of the one that is named.
        ranks: the processes that train together.

    Raises:
        TwosomeError: what would keep the run from starting.
    """
    if env is not None and config.more_envs:
        raise ConfigError(
            f"env is given, and the settings name {quote(list(config.more_envs))} beside it; expected one of the two. "
            "Register what makes an environment with Gymnasium, and name it in TrainConfig."
        )
    folder = ranks.on_main(lambda: config.folder)
    require_extras(track=config.track, quantization=config.quantization)
    ranks.on_main(lambda: RunDirectory.require_free(folder))
    name = text.resolve(config.env) if env is None else callables.register(env)
    return replace(
        config,
        env=name,
        more_envs=tuple(map(text.resolve, config.more_envs)),
        env_kwargs=text.resolve_arguments(name, config.env_kwargs),
        model=models.absolute_path(config.model),
        algorithm=qualified(config.algorithm),
        output=folder,
    )


def register_env(config: TrainConfig, env: MakeEnv | None) -> None:
    """Let a run that goes on have the environment that a function made for it before.

    Raises:
        ConfigError: its environment has a name.
    """
    if env is None:
        return
    if not callables.is_callable(config.env):
        raise ConfigError(
            f"env is given, but this run's environment has a name, {quote(config.env)}; expected none. Leave it out."
        )
    callables.register(env, config.env)


def build(config: TrainConfig, checkpoint: Path | None, ranks: Ranks) -> Parts:
    """Load the model, make the environments and what is learned beside the model.

    Args:
        config: the settings.
        checkpoint: folder with what was trained of the model; None: it is begun.
        ranks: the processes that train together.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another model.
        ConfigError: the environments cannot be shared equally among the processes, or there is no such algorithm.
    """
    require_equal_shares(config.num_envs, ranks.size)
    keep_freed_memory()
    torch.set_num_threads(config.threads)
    gammas = gammas_of(config)
    if not config.more_envs:
        config = replace(config, gamma=gammas[0])
    algorithm = algorithm_class(config.algorithm)
    scorer, frozen = _models(config, checkpoint, ranks)
    calibration = Calibration(config.prior_weight)
    actor = LanguageModelPolicy(scorer, config.normalization, config.context_free_prompt, calibration, frozen)
    collector = Collector(
        sources_of(config, scorer.fits),
        config.num_envs,
        gammas,
        config.seed,
        ranks.share(config.num_envs),
        losses=losses_of(config, config.envs),
    )
    try:
        critic = _critic(config, frozen, collector, ranks)
        optimizers = new_optimizers(config, actor, critic)
        if config.memory_budget_gib is not None:
            fit_to_memory(config.memory_budget_gib, scorer, frozen, critic.head, collector.current)
        if checkpoint is None and config.learns_normalization:
            _calibrate(config, actor, ranks)
        elif checkpoint is None and any(env.is_limitable for env in collector.envs):
            # A prompt that is too long for the model, though no history is told, is to be an error before the run.
            _random_decisions(config, scorer)
        gives_credit: Algorithm = algorithm(config, _gamma(gammas, config.num_envs), scorer)
    except BaseException:
        collector.close()
        raise
    rng = np.random.default_rng(config.seed)
    return Parts(config, gammas, scorer, frozen, actor, critic, collector, gives_credit, optimizers, rng)


def _gamma(gammas: tuple[float, ...], num_envs: int) -> Gamma:
    """The discount, for each of the environments that are stepped side by side where it is not the same for all."""
    return gammas[0] if len(set(gammas)) == 1 else torch.tensor(gammas).repeat(num_envs // len(gammas))


def new_optimizers(config: TrainConfig, actor: LanguageModelPolicy, critic: Critic) -> dict[str, torch.optim.Optimizer]:
    """Fresh optimizers of all that is learned; their state is float32, as what they change.

    In half precision, AdamW's second moment would underflow.
    """
    calibration = torch.optim.Adam(actor.calibration.parameters(), lr=config.calibration_lr, eps=1e-5)
    return {
        "actor": torch.optim.AdamW(trainable(actor.scorer.model), lr=config.actor_lr, eps=1e-5, weight_decay=0.0),
        "critic": torch.optim.Adam(critic.head.parameters(), lr=config.critic_lr, eps=1e-5),
        **({"calibration": calibration} if config.learns_normalization else {}),
    }


def warm_start(parts: Parts, ranks: Ranks) -> None:
    """Before the first update: imitate the environment's planner, if the settings ask for it.

    Raises:
        EnvError: the environment has no planner.
    """
    if parts.config.warm_start_episodes == 0:
        return
    imitate(parts.actor, parts.config)
    # Done on each rank alike, but not every device repeats a sum to the last bit.
    ranks.broadcast(trainable(parts.scorer.model))
    parts.optimizers.update(new_optimizers(parts.config, parts.actor, parts.critic))


def _models(config: TrainConfig, checkpoint: Path | None, ranks: Ranks) -> tuple[ActionScorer, ActionScorer]:
    """The model that is trained, and the one that stays as it was."""
    if config.shard_model:
        scorer = load_sharded_scorer(config, ranks)
    else:
        scorer = load_scorer(config, device=ranks.device(config.device))
    frozen = frozen_copy(scorer, config)
    attach_to(scorer, adapters_of(config), seed=config.seed, checkpoint=checkpoint)
    if config.gradient_checkpointing:
        recompute_layers(scorer)
    return scorer, frozen


def _critic(config: TrainConfig, frozen: ActionScorer, collector: Collector, ranks: Ranks) -> Critic:
    """A fresh value head on what the frozen model makes of the last real token of a state."""

    def read(states: Sequence[State]) -> Float[Tensor, "B D"]:
        """Each rank reads its share of the states: so the time is shared, and the bits are the same everywhere."""

        def read_own() -> Tensor:
            own = [states[i] for i in ranks.share(len(states))]
            return frozen_features(frozen, own).cpu() if own else torch.empty(0)

        return torch.cat([part for part in ranks.gather(read_own) if len(part)]).to(frozen.device)

    prompt = collector.current[0].prompt
    head = fresh_value_head(frozen, prompt, config.seed, centered=config.critic_features == "centered")
    return Critic(head.requires_grad_(has_critic(config.algorithm)), read)


def _calibrate(config: TrainConfig, actor: LanguageModelPolicy, ranks: Ranks) -> None:
    """Set the temperature by the entropy of the untrained policy where random play leads."""
    # Played once, so that an environment that fails there is told to all ranks.
    actor.calibrate(ranks.on_main(lambda: _random_decisions(config, actor.scorer)), config.target_entropy)
    # Each rank has read the same, but not every device repeats a sum to the last bit.
    ranks.broadcast([actor.calibration.log_temperature])


def _random_decisions(config: TrainConfig, scorer: ActionScorer) -> list[Decision]:
    """What random play meets where the model reads, in environments of its own."""
    met = (
        random_decisions(env.source(scorer.fits), config.seed, losses=losses_of(config, (env.name,)))
        for env in envs_of(config)
    )
    return list(dict.fromkeys(chain(*met)))
