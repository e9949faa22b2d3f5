"""Recording an episode: what was seen, how probable each action was, what was done."""

from typing import Any

import numpy as np

from twosome.envs import text
from twosome.play import play
from twosome.policy.base import Policy
from twosome.report.film import FilmFrame, Recording


def can_be_filmed(env: str, env_kwargs: dict[str, Any]) -> bool:
    """Whether an environment can draw itself."""
    with text.make_checked(env, **env_kwargs) as environment:
        modes = environment.env.metadata.get("render_modes", ())
    return "rgb_array" in (modes or ())


def record(policy: Policy, env: str, env_kwargs: dict[str, Any], *, seed: int) -> Recording:
    """Play one episode and keep what is worth seeing; for environments that `can_be_filmed`."""
    with text.make_checked(env, **env_kwargs, render_mode="rgb_array") as environment:
        *_, last = steps = list(play(policy, environment, [seed], rng=np.random.default_rng(seed), pictures=True))
        assert last.episode is not None
        moments = tuple(
            FilmFrame(step.picture, step.decision, step.probabilities, step.action, step.earned)
            for step in steps
            if step.picture is not None
        )
        return Recording(moments, environment.render(), last.episode.discounted_return, last.episode.success)
