"""A training loop as the paper's published settings describe it, to be timed and compared with ours.

Written from METHOD and the published numbers, not from the published code:

- every action of every decision is a padded row with its prompt, with logits at all positions;
- the critic is a pass of its own over the prompts, adapters off, each time values are needed: at each step of the
  rollout, at its end, and in every minibatch of the value update;
- nothing is remembered from one pass to the next, and equal prompts are read as often as they occur;
- 4 value minibatches, then 32 policy minibatches of 4 decisions whose gradients are accumulated over 8, with
  advantages normalized inside a minibatch, and a cut-off episode taken for an ended one.

Precision, clipping and optimizers are ours, and the critic reads the prompt's last token: they cost the same, and so
the losses can be compared.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from twosome.decision import Decision
from twosome.observation import Observation
from twosome.policy.lm import trainable
from twosome.ppo.gae import Estimates, estimate_advantages, normalize_advantages
from twosome.ppo.loss import policy_loss, value_loss
from twosome.ppo.train import Trainer
from twosome.rollout import Rollout
from twosome.scoring import ScoredActions, action_log_probs, adapters_off

MINIBATCH = 4
"""Decisions in a policy minibatch."""


class ReferenceLoop:
    """The loop; world, model, value head, optimizers and random numbers are those of a `Trainer` that has not begun.

    Args:
        trainer: its settings hold here too, but for the minibatches of the policy.
        minibatch_advantages: normalize advantages inside each minibatch of 4; False: over the rollout, as we do.
    """

    def __init__(self, trainer: Trainer, minibatch_advantages: bool = True) -> None:
        self.trainer = trainer
        self.config = trainer.config
        self.scorer = trainer.scorer
        self.minibatch_advantages = minibatch_advantages
        self._values: list[Tensor] = []

    def step(self) -> dict[str, float]:
        """One iteration: collect, estimate, improve the critic, improve the policy. Returns its losses."""
        self._values = []
        collector, rng = self.trainer.collector, self.trainer.rng
        rollout = collector.collect(self, self.config.rollout_steps, rng)
        values = torch.stack(self._values)
        with torch.no_grad():
            last = self.values([decision.prompt for decision in collector.current])
        estimates = self._estimate(rollout, values, torch.cat([values[1:], last[None]]))
        losses = self._improve_critic(rollout, values, estimates)
        return losses | self._improve_policy(rollout, estimates)

    # -- two passes of the model -----------------------------------------------------------------------

    def probabilities(self, observations: Sequence[Observation]) -> list[NDArray[np.float64]]:
        """The policy at each observation; the values of the prompts are kept for the estimates."""
        decisions = [observation.decision for observation in observations]
        with torch.no_grad():
            self._values.append(self.values([decision.prompt for decision in decisions]))
            policy = self.log_policy(decisions).double().exp().numpy()
        return [row[: len(d.actions)] / row.sum() for row, d in zip(policy, decisions, strict=True)]

    def values(self, prompts: Sequence[str]) -> Float[Tensor, " B"]:
        """The critic: a pass over the prompts with the adapters off, then the value head."""
        ids = [self.scorer.encoder.prompt_ids(prompt) for prompt in prompts]
        tokens, is_token = _padded(ids)
        with adapters_off(self.scorer.model), torch.no_grad():
            model = self.scorer.model.get_base_model().base_model
            hidden = model(input_ids=tokens, attention_mask=is_token, use_cache=False).last_hidden_state
        features = hidden[torch.arange(len(ids)), is_token.sum(1) - 1].float()
        values: Tensor = self.trainer.critic.head(features)
        return values

    def log_policy(self, decisions: Sequence[Decision]) -> Float[Tensor, "B A"]:
        """Log pi(action | prompt), from a padded row for every action."""
        spans = [self.scorer.encoder.encode(decision) for decision in decisions]
        places = [(row, a) for row, item in enumerate(spans) for a, tokens in enumerate(item.actions) if tokens]
        tokens, is_token = _padded([(*spans[row].shared, *spans[row].actions[a]) for row, a in places])
        starts = torch.tensor([len(spans[row].shared) for row, _ in places])
        is_action = is_token.bool() & (torch.arange(tokens.shape[1]) >= starts[:, None])
        logits = self.scorer.model(input_ids=tokens, attention_mask=is_token, use_cache=False).logits
        token_logp = torch.log_softmax(logits[:, :-1], dim=-1).gather(-1, tokens[:, 1:, None])[..., 0]
        joint = (token_logp * is_action[:, 1:]).sum(dim=1)
        return action_log_probs(_scored(decisions, places, joint, is_action.sum(1)), self.config.normalization)

    # -- estimates and updates -------------------------------------------------------------------------

    def _estimate(self, rollout: Rollout, values: Float[Tensor, "T E"], next_values: Float[Tensor, "T E"]) -> Estimates:
        ended = torch.from_numpy(rollout.terminated | rollout.truncated)
        return estimate_advantages(
            torch.from_numpy(rollout.rewards),
            torch.from_numpy(rollout.durations),
            values,
            next_values,
            ended,
            torch.zeros_like(ended),
            gamma=self.trainer.gamma,
            gae_lambda=self.config.gae_lambda,
        )

    def _improve_critic(
        self, rollout: Rollout, old_values: Float[Tensor, "T E"], estimates: Estimates
    ) -> dict[str, float]:
        prompts = [decision.prompt for row in rollout.decisions for decision in row]
        old, returns = old_values.flatten(), estimates.returns.flatten()
        optimizer, losses = self.trainer.optimizers["critic"], []
        for index in np.split(self.trainer.rng.permutation(len(prompts)), self.config.value_minibatches):
            values = self.values([prompts[i] for i in index])
            loss = value_loss(values, old[index], returns[index], clip=self.config.clip)
            optimizer.zero_grad()
            torch.autograd.backward(self.config.value_coef * loss)
            torch.nn.utils.clip_grad_norm_(self.trainer.critic.head.parameters(), self.config.max_grad_norm)
            optimizer.step()
            losses.append(loss.item())
        return {"value_loss": float(np.mean(losses))}

    def _improve_policy(self, rollout: Rollout, estimates: Estimates) -> dict[str, float]:
        order = self.trainer.rng.permutation(self.config.batch_size)
        optimizer, parameters = self.trainer.optimizers["actor"], trainable(self.scorer.model)
        seen: list[dict[str, float]] = []
        for group in np.split(order, self.config.policy_minibatches):
            minibatches = np.split(group, len(group) // MINIBATCH)
            results = [self._accumulate(rollout, estimates, index, len(minibatches)) for index in minibatches]
            seen.append({name: float(np.mean([result[name] for result in results])) for name in results[0]})
            if 0 < self.config.target_kl < seen[-1]["approx_kl"]:
                optimizer.zero_grad()
                break
            torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm)
            optimizer.step()
            optimizer.zero_grad()
        return {name: float(np.mean([means[name] for means in seen])) for name in seen[0]}

    def _accumulate(
        self, rollout: Rollout, estimates: Estimates, index: NDArray[np.int64], num_parts: int
    ) -> dict[str, float]:
        decisions = [decision for row in rollout.decisions for decision in row]
        result = policy_loss(
            self.log_policy([decisions[i] for i in index]),
            torch.from_numpy(rollout.actions).flatten()[index],
            torch.from_numpy(rollout.logp).flatten()[index],
            self._advantages(estimates, index),
            clip=self.config.clip,
            entropy_coef=self.config.entropy_coef,
        )
        torch.autograd.backward(result.loss / num_parts)
        return {name: float(getattr(result, name)) for name in ("entropy", "approx_kl")} | {
            "policy_loss": result.loss.item()
        }

    def _advantages(self, estimates: Estimates, index: NDArray[np.int64]) -> Float[Tensor, " B"]:
        if not self.minibatch_advantages:
            return normalize_advantages(estimates.advantages, self.config.advantage_std_floor).flatten()[index]
        return normalize_advantages(estimates.advantages.flatten()[index][:, None], 0.0)[:, 0]


def _padded(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Tokens padded on the right, and 1 where there is one."""
    tokens = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.int64)
    is_token = torch.zeros_like(tokens)
    for i, row in enumerate(rows):
        tokens[i, : len(row)] = torch.tensor(row)
        is_token[i, : len(row)] = 1
    return tokens, is_token


def _scored(decisions: Sequence[Decision], places: Sequence[tuple[int, int]], joint: Tensor, lengths: Tensor) -> Any:
    shape = len(decisions), max(len(decision.actions) for decision in decisions)
    index = tuple(torch.tensor(part) for part in zip(*places, strict=True))
    words = torch.zeros(shape, dtype=torch.int64)
    bytes_ = torch.zeros_like(words)
    for row, a in places:
        words[row, a] = len(decisions[row].actions[a].split())
        bytes_[row, a] = len(decisions[row].actions[a].encode())
    num_tokens = torch.zeros_like(words).index_put(index, lengths)
    logp = joint.new_full(shape, -torch.inf).index_put(index, joint)
    return ScoredActions(logp, num_tokens > 0, num_tokens, words, bytes_)
