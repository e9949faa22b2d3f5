"""PPO on whole actions: each action is one choice, judged by a critic with semi-Markov GAE.

The paper's algorithm, and the default. What it computes is `twosome.minimal.advantages_of`.
"""

from twosome.config import TrainConfig
from twosome.ppo.credit.algorithm import Algorithm, Credit, ValuesOf, rollout_tensors
from twosome.ppo.credit.choices import Choices, estimate_choices, whole_actions
from twosome.ppo.gae import Gamma, normalize_advantages
from twosome.rollout import Rollout


class Ppo(Algorithm):
    """Credit for whole actions, judged by a critic."""

    def credit(self, rollout: Rollout, values_of: ValuesOf) -> Credit:
        """Generalized advantage estimates, normalized over the rollout."""
        return judged_by_critic(whole_actions(rollout), rollout, values_of, self.config, self.gamma)


def judged_by_critic(
    choices: Choices, rollout: Rollout, values_of: ValuesOf, config: TrainConfig, gamma: Gamma
) -> Credit:
    """Generalized advantage estimates of a rollout's choices, normalized over all of them.

    A cut-off episode is bootstrapped with the value of its last state: it had a future.
    """
    T, E = rollout.actions.shape
    rewards, durations, terminated, truncated = rollout_tensors(rollout)
    following = [prompt for row in rollout.next_prompts for prompt in row]
    found = values_of([*choices.states, *following])
    values, next_values = found[: len(choices.states)], found[len(choices.states) :].view(T, E)
    estimates = estimate_choices(
        choices.is_choice.sum(1).view(T, E),
        rewards,
        durations,
        values,
        next_values,
        terminated,
        truncated,
        gamma=gamma,
        gae_lambda=config.gae_lambda,
    )
    advantages = normalize_advantages(estimates.advantages, config.advantage_std_floor)
    return Credit(choices, advantages, values, estimates.returns)
