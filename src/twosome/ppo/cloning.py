"""Behavior cloning: learn to say what an environment's own planner does, before the first update or in place of all.

The loss is the negative log-likelihood of the planner's actions under the policy that PPO trains: a softmax over the
scores of the valid actions. Most of our environments begin alike each time and their planners do not draw, so all
their episodes are one; to show more than one path, a tenth of the decisions is carried out at random, and every
decision is labeled with what the planner would do there (Laskey et al., 2017, "DART", arXiv:1703.09327, with noise of a
fixed size).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import Fits, env_seeds
from twosome.errors import DivergedError
from twosome.observation import Observation
from twosome.play import play
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.planner import Planner
from twosome.policy.tuning import trainable
from twosome.ppo.microbatch import micro_batches

NOISE = 0.1
"""Share of the decisions that is carried out at random."""
PASSES = 10
BATCH = 32


@dataclass
class Demonstrations:
    """Decisions, and what the planner does at each."""

    decisions: list[Decision] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)


def imitate(actor: LanguageModelPolicy, config: TrainConfig) -> None:
    """Let each environment's planner show as many episodes as the settings say, and clone what they do.

    Raises:
        EnvError: an environment has no planner.
        DivergedError: the loss is no number any more.
    """
    shown = demonstrate_all(config, actor.fits, config.warm_start_episodes)
    clone(actor, shown, learning_rate=config.actor_lr, max_grad_norm=config.max_grad_norm, seed=config.seed)


def demonstrate_all(config: TrainConfig, fits: Fits, episodes: int) -> Demonstrations:
    """What the planners of a run's environments do in so many episodes of each, one environment after the other.

    Raises:
        EnvError: an environment has no planner.
    """
    shown = Demonstrations()
    for env in config.envs:
        found = demonstrate(text.maker(env, config.env_kwargs, fits), episodes, seed=config.seed)
        shown.decisions += found.decisions
        shown.actions += found.actions
    return shown


def demonstrate(make: Callable[[], gymnasium.Env[Any, Any]], episodes: int, seed: int) -> Demonstrations:
    """Let the planner play, disturbed now and then.

    Args:
        make: makes the environment.
        episodes: how many.
        seed: of the disturbances; the episodes are reset with seeds derived from it.

    Raises:
        EnvError: the environment has no planner.
    """
    shown = Demonstrations()
    for step in play(
        Planner(), make, env_seeds(seed, episodes), gamma=1.0, choose=_with_noise, rng=np.random.default_rng(seed)
    ):
        action = int(step.probabilities.argmax())
        # The planner may know of actions that the prompt does not offer; the policy cannot say them.
        if step.decision.actions[action]:
            shown.decisions.append(step.decision)
            shown.actions.append(action)
    return shown


def _with_noise(observation: Observation, probabilities: NDArray[np.float64], rng: np.random.Generator) -> int:
    """The most probable action, or now and then any that is available."""
    if rng.random() < NOISE:
        return int(rng.choice(observation.available))
    return int(probabilities.argmax())


def clone(
    actor: LanguageModelPolicy, shown: Demonstrations, *, learning_rate: float, max_grad_norm: float, seed: int
) -> list[float]:
    """Raise the log-likelihood of what was shown, in several passes over it.

    Args:
        actor: the policy, with what is trainable of it.
        shown: what to imitate.
        learning_rate: of AdamW without weight decay, constant.
        max_grad_norm: longer gradients are scaled down.
        seed: of the order.

    Returns:
        The mean negative log-likelihood of each pass, in nats.
    """
    parameters = trainable(actor.scorer.model)
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, eps=1e-5, weight_decay=0.0)
    rng, losses = np.random.default_rng(seed), []
    for _ in range(PASSES):
        order = rng.permutation(len(shown.actions))
        total = 0.0
        for start in range(0, len(order), BATCH):
            index = order[start : start + BATCH]
            for part in micro_batches(actor.scorer, shown.decisions, index):
                loss = _loss(actor, shown, part)
                torch.autograd.backward(loss / len(index))
                total += loss.item()
            norm = torch.nn.utils.clip_grad_norm_(parameters, max_grad_norm)
            if not (np.isfinite(total) and torch.isfinite(norm)):
                raise DivergedError(
                    f"imitating the planner, the loss became {total:g} and the length of its gradient {norm.item():g}. "
                    "Try a lower --actor-lr, or --dtype float32 if the model is in half precision."
                )
            optimizer.step()
            optimizer.zero_grad()
        losses.append(total / len(order))
    actor.clear_cache()
    return losses


def _loss(actor: LanguageModelPolicy, shown: Demonstrations, index: Any) -> torch.Tensor:
    """Summed negative log-likelihood of some demonstrated actions."""
    log_policy = actor.log_policy([shown.decisions[i] for i in index])
    actions = torch.tensor([shown.actions[i] for i in index], device=log_policy.device)
    return -log_policy.gather(1, actions[:, None]).sum()
