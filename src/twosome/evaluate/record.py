"""Recording an episode: what was seen, how probable each action was, what was done."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosome.envs import text
from twosome.envs.outcome import outcome
from twosome.policy.actor import sample
from twosome.report.film import Moment, Recording
from twosome.rollout import Policy


def can_be_filmed(env: str, env_kwargs: dict[str, Any]) -> bool:
    """Whether a world can draw itself."""
    world = text.make(env, **env_kwargs)
    modes = world.metadata.get("render_modes", ())
    world.close()
    return "rgb_array" in (modes or ())


def record(policy: Policy, env: str, env_kwargs: dict[str, Any], *, seed: int) -> Recording:
    """Play one episode and keep what is worth seeing; for worlds that `can_be_filmed`."""
    gamma = text.gamma_of(env, env_kwargs)
    world = text.make(env, **env_kwargs, render_mode="rgb_array")
    observation, _ = world.reset(seed=seed)
    rng = np.random.default_rng(seed)
    moments: list[Moment] = []
    earned, discount, done, success = 0.0, 1.0, False, False
    while not done:
        decision = text.decision_from(observation)
        probabilities = policy.probabilities([decision])[0]
        action = sample(probabilities, rng)
        moments.append(Moment(_image(world.render()), decision, probabilities, action, earned))
        observation, reward, terminated, truncated, info = world.step(action)
        earned += discount * float(reward)
        primitive_steps, success = outcome(info, bool(terminated), reward)
        discount *= gamma**primitive_steps
        done = terminated or truncated
    last_image = _image(world.render())
    world.close()
    return Recording(tuple(moments), last_image, earned, success)


def _image(frame: Any) -> NDArray[np.uint8]:
    return np.asarray(frame, dtype=np.uint8)
