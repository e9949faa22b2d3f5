"""Generate and parse: the language model writes its action, and what is no valid action costs the step.

What scoring is compared with: the same model and adapters, the same critic, environments, advantage estimates and
losses (those of `twosome.ppo`), but nothing keeps the model to what is valid.

- It writes after the prompt at temperature 1, up to a number of tokens, to the end of the line or of the sentence, or
  to a special token. A mark that a valid phrase has in it ends nothing.
- It says the longest valid phrase that the text begins with, in whole words, whatever the case and the blanks. A text
  that begins with none says nothing: the step is lost (`LostSteps`).
- Credit goes to the action, and every token that was written for it has the action's advantage. Each token has its
  probability ratio and is clipped by itself, as in PPO on language models; the surrogate is the sum over an action's
  tokens and the mean over decisions, so that while no ratio is clipped the gradient is that of the text's probability.

`said` is the parse, `written_loss` the loss.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twosome.baselines.config import GenerateConfig, Record
from twosome.baselines.lost_steps import LostSteps
from twosome.baselines.writing import Written, chances, write
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import DivergedError
from twosome.models import Adapters
from twosome.observation import Observation, decision_of
from twosome.policy.critic import Critic
from twosome.policy.tuning import attach_to, fresh_value_head, frozen_features, trainable
from twosome.ppo.gae import estimate_advantages, normalize_advantages
from twosome.ppo.loss import PolicyLoss, clipped_surrogate, value_loss
from twosome.rollout import Collector, Rollout
from twosome.scoring import ActionScorer
from twosome.scoring.chat import split_last_sentence

_ENDS = "\n.!?"
"""What ends a line or a sentence."""


def listed(decision: Decision) -> str:
    """The prompt with the valid actions said before its unfinished sentence.

    >>> listed(Decision("Your hands are empty. Now you", ("wait", "", "take the bowl", "pick up the tomato")))
    'Your hands are empty. You can wait, take the bowl or pick up the tomato. Now you'
    """
    situation, opening = split_last_sentence(decision.prompt)
    *others, last = [phrase for phrase in decision.actions if phrase]
    offered = f"{', '.join(others)} or {last}" if others else last
    return f"{situation} You can {offered}. {opening}".lstrip()


def said(written: str, actions: Sequence[str]) -> int | None:
    """The id of the action that a text says; None where it says none that is available.

    >>> said(" Pick up the tomato  and cut it", ("wait", "pick up", "pick up the tomato"))
    2
    >>> said(" pick up the tomatoes", ("wait", "pick up the tomato")) is None
    True
    """
    found = _plain(written)
    begun = [i for i, phrase in enumerate(actions) if phrase and re.match(rf"{re.escape(_plain(phrase))}(?!\w)", found)]
    return max(begun, key=lambda i: len(_plain(actions[i])), default=None)


def _plain(phrase: str) -> str:
    return " ".join(phrase.casefold().split())


class WritingPolicy:
    """Writes an action; it knows of no others, so that the one it has written is certain.

    Plays in environments with `LostSteps` around them, whose last action it takes where it has written none.

    Args:
        scorer: the language model, with or without adapters.
        config: how it is to write, and the seed that it draws from.
    """

    def __init__(self, scorer: ActionScorer, config: GenerateConfig) -> None:
        self.scorer = scorer
        self._list_actions, self._max_tokens = config.list_actions, config.max_tokens
        self._generator = torch.Generator().manual_seed(config.seed)
        self._ending = _tokens_with(scorer.tokenizer, _ENDS)
        self._prompt_of = lru_cache(maxsize=8192)(self._read_prompt)

    def fits(self, prompt: str, phrases: Sequence[str]) -> bool:
        """Whether the model's context holds a prompt, as it is read, with each of some phrases."""
        if self._list_actions and any(phrases):
            prompt = listed(Decision(prompt, tuple(phrases)))
        return self.scorer.fits(prompt, phrases)

    def write(self, observations: Sequence[Observation | Decision]) -> list[Written]:
        """What the model writes in each situation."""
        decisions = [decision_of(observation) for observation in observations]
        prompts, ends = zip(*(self._prompt_of(decision) for decision in decisions), strict=True)
        return write(self.scorer.model, prompts, ends, self._max_tokens, self._generator, self.scorer.device)

    def action(self, written: Written, decision: Decision) -> int:
        """The action that was written; the last, by which a step is lost, where none was."""
        id_ = said(self.scorer.tokenizer.decode(written.tokens, skip_special_tokens=True), decision.actions)
        return len(decision.actions) - 1 if id_ is None else id_

    def probabilities(self, observations: Sequence[Observation | Decision]) -> list[NDArray[np.float64]]:
        """1 for the action that is written now; another one may be the next time."""
        decisions = [decision_of(observation) for observation in observations]
        return [_certain(self.action(t, d), d) for t, d in zip(self.write(decisions), decisions, strict=True)]

    def _read_prompt(self, decision: Decision) -> tuple[tuple[int, ...], frozenset[int]]:
        """The prompt's tokens, and those that end what is written after it."""
        prompt = listed(decision) if self._list_actions else decision.prompt
        ends = [
            tokens for mark, tokens in self._ending.items() if not any(mark in phrase for phrase in decision.actions)
        ]
        special = frozenset(self.scorer.tokenizer.all_special_ids)
        return self.scorer.encoder.prompt_ids(prompt), special.union(*ends)


def _certain(action: int, decision: Decision) -> NDArray[np.float64]:
    row = np.zeros(len(decision.actions))
    row[action] = 1
    return row


def _tokens_with(tokenizer: Any, marks: str) -> dict[str, frozenset[int]]:
    """For each mark the tokens that have it in them."""
    texts = tokenizer.batch_decode([[token] for token in range(len(tokenizer))])
    return {mark: frozenset(token for token, text in enumerate(texts) if mark in text) for mark in marks}


def around(config: GenerateConfig, env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """The environment as a model plays in it that may write what is no action."""
    return LostSteps(env, config.invalid_penalty)


def written_loss(
    scorer: ActionScorer, texts: Sequence[Written], advantages: Tensor, *, clip: float, entropy_coef: float
) -> PolicyLoss:
    """PPO's loss of the tokens that were written.

    Args:
        scorer: of the model that has changed since.
        texts: what was written, one for each decision.
        advantages: of each decision, normalized.
        clip: how far the probability ratio of a token may move before it stops paying.
        entropy_coef: weight of the entropy of what is written, summed over its tokens.
    """
    found = chances(scorer.model, texts, scorer.device)
    old_logp, is_token = torch.zeros_like(found.logp), torch.zeros_like(found.logp)
    for row, written in enumerate(texts):
        old_logp[row, : len(written.logp)] = torch.tensor(written.logp)
        is_token[row, : len(written.logp)] = 1
    advantages = advantages.to(is_token)[:, None] * is_token
    surrogate = clipped_surrogate(found.logp, old_logp, advantages, clip=clip)
    entropy = found.entropy.sum(-1).mean()
    loss = surrogate.loss - entropy_coef * entropy
    return PolicyLoss(loss, entropy.detach(), surrogate.approx_kl, surrogate.clip_fraction)


@dataclass
class _Noting:
    """A policy that keeps what it writes."""

    policy: WritingPolicy
    texts: list[Written] = field(default_factory=list)

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """As the policy's own."""
        written = self.policy.write(observations)
        self.texts += written
        pairs = zip(written, observations, strict=True)
        return [_certain(self.policy.action(t, o.decision), o.decision) for t, o in pairs]


def train_generate(config: GenerateConfig, record: Record) -> WritingPolicy:
    """Train a model that writes its actions.

    Args:
        config: the settings.
        record: is told after each update; ``invalid_share`` is that of decisions by which a step was lost.

    Returns:
        The policy after the last update.

    Raises:
        TwosomeError: whatever went wrong, with what to do about it.
    """
    scorer = ActionScorer.from_pretrained(config.model, dtype=config.dtype)
    attach_to(scorer, Adapters(), seed=config.seed)
    policy, rng = WritingPolicy(scorer, config), np.random.default_rng(config.seed)
    gamma = text.gamma_of(config.env, {})
    make = text.maker(config.env, {}, policy.fits)
    with Collector(lambda: around(config, make()), config.num_envs, gamma, config.seed) as collector:
        learner = _Learner(config, gamma, scorer, collector.current[0].prompt)
        for update in range(config.num_updates):
            learner.anneal(1 - update / config.num_updates)
            noting = _Noting(policy)
            rollout = collector.collect(noting, config.rollout_steps, rng)
            learner.improve(rollout, noting.texts, rng)
            record((update + 1) * config.batch_size, rollout, invalid_share=_invalid_share(rollout))
    return policy


def _invalid_share(rollout: Rollout) -> float:
    lost = [len(decision.actions) - 1 for decision in chain(*rollout.decisions)]
    return float((rollout.actions.flatten() == lost).mean())


class _Learner:
    """Adapters, value head and their optimizers, as `twosome train` has them."""

    def __init__(self, config: GenerateConfig, gamma: float, scorer: ActionScorer, prompt: str) -> None:
        self._config, self._gamma, self._scorer = config, gamma, scorer
        head = fresh_value_head(scorer, prompt, config.seed)
        self._critic = Critic(head, lambda states: frozen_features(scorer, states))
        self._actor_optimizer = torch.optim.AdamW(
            trainable(scorer.model), lr=config.actor_lr, eps=1e-5, weight_decay=0.0
        )
        self._critic_optimizer = torch.optim.Adam(head.parameters(), lr=config.critic_lr, eps=1e-5)

    def anneal(self, share: float) -> None:
        """Set the learning rates to a share of those at the start."""
        self._actor_optimizer.param_groups[0]["lr"] = share * self._config.actor_lr
        self._critic_optimizer.param_groups[0]["lr"] = share * self._config.critic_lr

    def improve(self, rollout: Rollout, texts: Sequence[Written], rng: np.random.Generator) -> None:
        """Fit the value head to the returns, then make steps of the policy until it has moved far enough."""
        prompts = [decision.prompt for decision in chain(*rollout.decisions)]
        old_values = self._critic.values(prompts)
        estimates = estimate_advantages(
            torch.from_numpy(rollout.rewards),
            torch.from_numpy(rollout.durations),
            old_values.cpu().view(rollout.rewards.shape),
            self._critic.values(list(chain(*rollout.next_prompts))).cpu().view(rollout.rewards.shape),
            torch.from_numpy(rollout.terminated),
            torch.from_numpy(rollout.truncated),
            gamma=self._gamma,
            gae_lambda=self._config.gae_lambda,
        )
        returns = estimates.returns.flatten().to(old_values)
        for index in self._minibatches(len(prompts), rng):
            self._improve_critic([prompts[i] for i in index], old_values[index], returns[index])
        advantages = normalize_advantages(estimates.advantages, self._config.advantage_std_floor).flatten()
        for index in self._minibatches(len(prompts), rng):
            if not self._improve_policy([texts[i] for i in index], advantages[index]):
                break

    def _minibatches(self, count: int, rng: np.random.Generator) -> list[NDArray[np.int64]]:
        passes = (np.split(rng.permutation(count), self._config.minibatches) for _ in range(self._config.epochs))
        return list(chain(*passes))

    def _improve_critic(self, prompts: Sequence[str], old_values: Tensor, returns: Tensor) -> None:
        values = self._critic.head(self._critic.features(prompts))
        loss = self._config.value_coef * value_loss(values, old_values, returns, clip=self._config.clip)
        self._step(self._critic_optimizer, loss)

    def _improve_policy(self, texts: Sequence[Written], advantages: Tensor) -> bool:
        """Make a step; False where the policy has moved too far for another."""
        clip, entropy_coef = self._config.clip, self._config.entropy_coef
        result = written_loss(self._scorer, texts, advantages, clip=clip, entropy_coef=entropy_coef)
        if 0 < self._config.target_kl < result.approx_kl:
            return False
        self._step(self._actor_optimizer, result.loss)
        return True

    def _step(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        if not torch.isfinite(loss):
            raise DivergedError(
                f"a loss became {loss.item()}; expected a finite number. Lower actor_lr or critic_lr, and begin anew."
            )
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(optimizer.param_groups[0]["params"], self._config.max_grad_norm)
        optimizer.step()
