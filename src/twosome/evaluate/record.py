"""Recording an episode: what was seen, how probable each action was, what was done."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs import text
from twosome.policy.actor import sample
from twosome.rollout import Policy


@dataclass(frozen=True)
class Moment:
    """One decision of an episode.

    Attributes:
        image: the world before the action, height x width x 3, uint8.
        decision: prompt and phrases.
        probabilities: one for each action id.
        action: the id that was taken.
        earned: return so far, before this action.
    """

    image: NDArray[np.uint8]
    decision: Decision
    probabilities: NDArray[np.float64]
    action: int
    earned: float


@dataclass(frozen=True)
class Recording:
    """An episode to look at: its moments, its last image, its return and success."""

    moments: tuple[Moment, ...]
    last_image: NDArray[np.uint8]
    discounted_return: float
    success: bool


def record(policy: Policy, env: str, env_kwargs: dict[str, Any], *, gamma: float, seed: int) -> Recording:
    """Play one episode and keep what is worth seeing."""
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
        discount *= gamma ** int(info.get("primitive_steps", 1))
        done = terminated or truncated
        success = bool(info.get("success", terminated and float(reward) > 0))
    last_image = _image(world.render())
    world.close()
    return Recording(tuple(moments), last_image, earned, success)


def _image(frame: Any) -> NDArray[np.uint8]:
    return np.asarray(frame, dtype=np.uint8)
