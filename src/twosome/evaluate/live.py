"""An episode that goes on as whoever watches wants: a policy chooses, or a person does, and another stands beside."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from twosome.envs import text
from twosome.envs.checked import limit_prompts
from twosome.errors import ConfigError, quote
from twosome.evaluate.evaluator import Evaluator
from twosome.evaluate.record import can_be_filmed
from twosome.evaluate.watch import actions_of, as_address, png, tokens_of
from twosome.policy.base import checked_probabilities, sample
from twosome.policy.critic import Critic
from twosome.rollout import EpisodeCounter


class LiveEpisode:
    """An episode, step by step; to be closed.

    With the same seed it goes as `twosome watch` records it, as long as nobody takes over.

    Args:
        players: who chooses, and who stands beside.
        critic: judges the situations; None: nobody does.
        seed: of the environment, and of what is drawn.

    Raises:
        EnvError: the environment cannot be made or begun.
    """

    def __init__(self, players: Sequence[Evaluator], critic: Critic | None, seed: int) -> None:
        self.players, self.critic, self.seed = players, critic, seed
        env, env_kwargs = players[0].env, players[0].env_kwargs
        self._drawn = can_be_filmed(env, env_kwargs)
        self.env = text.make_checked(env, **env_kwargs, **({"render_mode": "rgb_array"} if self._drawn else {}))
        try:
            for player in players:
                if (fits := getattr(player.policy, "fits", None)) is not None:
                    limit_prompts(self.env.env, fits)
            self._gamma = text.gamma_of(self.env)
            self.env.reset(seed)
        except BaseException:
            self.env.close()
            raise
        self._rng = np.random.default_rng([seed, 0])
        self._counter = EpisodeCounter()
        self.is_over = False

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def situation(self) -> dict[str, Any]:
        """What is to be decided now, as the page shows it."""
        observation = self.env.observation
        decision = observation.decision
        rows = [checked_probabilities(player.policy, [observation])[0] for player in self.players]
        tables = [tokens_of(player, [decision]) for player in self.players]
        return {
            "prompt": decision.prompt,
            "picture": self._picture(),
            "value": None if self.critic is None else float(self.critic.values([decision.prompt])),
            "action": None,
            "reward": None,
            "primitive_steps": 1,
            "earned": self._counter.discounted_return,
            "actions": actions_of(decision, rows, [None if table is None else table[0] for table in tables]),
        }

    def step(self, action: int | None) -> dict[str, Any]:
        """Carry out an action.

        Args:
            action: its id; None: the first player draws one.

        Returns:
            What was done and what it brought, and the next ``situation``; or how the episode ended.

        Raises:
            ConfigError: the episode is over, or the action is not available.
            EnvError: the environment fails.
        """
        if self.is_over:
            raise ConfigError("the episode is over; expected one under way. Restart it.")
        observation = self.env.observation
        by_hand = action is not None
        if action is None:
            action = sample(checked_probabilities(self.players[0].policy, [observation])[0], self._rng)
        if action not in observation.available:
            raise ConfigError(
                f"the action is {quote(action)}; expected one of {quote(list(observation.available))}, which are "
                "available now. Choose one of them."
            )
        step = self.env.step(action)
        self._counter.add(step.reward, step.primitive_steps, self._gamma)
        self.is_over = step.decision is None
        end = self._counter.finish(step.success) if self.is_over else None
        return {
            "action": action,
            "by_hand": by_hand,
            "reward": step.reward,
            "primitive_steps": step.primitive_steps,
            "situation": None if self.is_over else self.situation(),
            "last_picture": self._picture() if self.is_over else None,
            "return": None if end is None else end.discounted_return,
            "success": None if end is None else end.success,
        }

    def _picture(self) -> str | None:
        return as_address(png(self.env.render())) if self._drawn else None
