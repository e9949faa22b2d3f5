"""Recording an episode: what was seen, how probable each action was, what was done."""

from typing import Any

import numpy as np

from twosome.decision import Decision
from twosome.envs import text
from twosome.policy.actor import sample
from twosome.report.film import Moment, Recording
from twosome.rollout import Policy


def can_be_filmed(env: str, env_kwargs: dict[str, Any]) -> bool:
    """Whether a world can draw itself."""
    with text.make_checked(env, **env_kwargs) as world:
        modes = world.env.metadata.get("render_modes", ())
    return "rgb_array" in (modes or ())


def record(policy: Policy, env: str, env_kwargs: dict[str, Any], *, seed: int) -> Recording:
    """Play one episode and keep what is worth seeing; for worlds that `can_be_filmed`."""
    gamma = text.gamma_of(env, env_kwargs)
    rng = np.random.default_rng(seed)
    moments: list[Moment] = []
    earned, discount = 0.0, 1.0
    with text.make_checked(env, **env_kwargs, render_mode="rgb_array") as world:
        decision: Decision | None = world.reset(seed)
        while decision is not None:
            probabilities = policy.probabilities([decision])[0]
            action = sample(probabilities, rng)
            moments.append(Moment(world.render(), decision, probabilities, action, earned))
            step = world.step(action)
            earned += discount * step.reward
            discount *= gamma**step.primitive_steps
            decision = step.decision
        return Recording(tuple(moments), world.render(), earned, step.success)
