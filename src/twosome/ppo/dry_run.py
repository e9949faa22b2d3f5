"""What a training run will take, from a few updates that leave nothing behind.

Memory is arithmetic on two short forwards (`twosome.estimate`) and on the shapes of the forwards that the first
rollout's minibatches need; it is known before any of them is computed with gradients. Time is measured: whole updates
on the machine at hand. Both hold for the untrained policy; a trained one meets fewer distinct decisions.
"""

import math
import statistics
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.estimate import (
    Forward,
    copied_bytes,
    frozen_bytes,
    learner_bytes,
    measure_activations,
    recorded,
    tensor_bytes,
)
from twosome.policy.tuning import trainable
from twosome.ppo.cloning import BATCH, PASSES, Demonstrations, clone, demonstrate_all
from twosome.ppo.microbatch import IntArray, micro_batches
from twosome.ppo.train import Trainer
from twosome.rollout import Rollout

_TIMED_UPDATES = 3
_SHOWN_EPISODES = 16
"""Of a warm start with more, what these few take is scaled up."""


@dataclass(frozen=True)
class Memory:
    """Bytes of tensors by part."""

    base: int  # weights of the frozen model
    adapters: int  # weights, gradients and AdamW's two moments
    value_head: int  # weights and, where it is trained, gradients and Adam's two moments
    features: int
    """The critic's features of the prompts met in one rollout, and with --lora-layers what is kept of the layers below
    for its decisions; grows with each new prompt and decision."""
    activations: int  # what the largest micro-batch keeps for its backward pass, and the most that comes on top
    logits: int  # of that micro-batch
    reading: int  # of the largest forward without gradients; not alive at the same time as the two before

    @property
    def total(self) -> int:
        """Most that is alive at once."""
        static = self.base + self.adapters + self.value_head + self.features
        return static + max(self.activations + self.logits, self.reading)


@dataclass(frozen=True)
class Plan:
    """What a run is expected to take."""

    parameters: int  # of the model, adapters included
    trainable: int  # of them and of the value head's, those that are trained
    max_tokens_per_forward: int  # as set, or as the budget of memory allows
    memory: Memory  # by part
    rollout_tokens: int  # that one rollout puts through the model, for the policy and for the critic's features
    policy_tokens: int  # that one update's passes over the minibatches put through it, with gradients
    micro_batches: int  # backward passes of one pass over a rollout
    update_s: float  # seconds of one update, while nothing is imitated
    self_imitation_s: float  # seconds that self-imitation adds to an update, for as long as it lasts
    updates: int  # of the whole run
    warm_start_s: float  # seconds of imitation before the first

    @property
    def run_s(self) -> float:
        """Seconds of the whole run, without self-imitation, loading the model and writing checkpoints."""
        return self.warm_start_s + self.update_s * self.updates

    def to_json(self) -> dict[str, Any]:
        """Everything as plain JSON, sums included."""
        return {
            **asdict(self),
            "memory": {**asdict(self.memory), "total": self.memory.total},
            "run_s": self.run_s,
        }


@dataclass(frozen=True)
class _TimedDemonstrations:
    """What the planner showed, in which part of the episodes that it is to show, and in how many seconds."""

    found: Demonstrations
    scale: float
    seconds: float

    def minibatches(self, seed: int) -> list[IntArray]:
        """Those of the first pass of `clone`."""
        order = np.random.default_rng(seed).permutation(len(self.found.actions))
        return [order[start : start + BATCH] for start in range(0, len(order), BATCH)]


def dry_run(config: TrainConfig) -> Plan:
    """What training with these settings will take. Loads the model and plays a little; writes nothing.

    Raises:
        TwosomeError: whatever would keep the run from starting, a budget that is too small among it.
    """
    # The policy's updates are what takes long: not to be put off until the value head has learned.
    env, *more_envs = map(text.resolve, config.envs)
    config = replace(config, env=env, more_envs=tuple(more_envs), critic_warmup_steps=0, reward_wait_steps=0)
    # Here more updates are timed than a short run has; its schedules would end below zero.
    total_steps = max(config.total_steps, (1 + _TIMED_UPDATES) * config.batch_size)
    with Trainer(replace(config, total_steps=total_steps)) as trainer:
        return _planned(trainer, config)


def _planned(trainer: Trainer, config: TrainConfig) -> Plan:
    """What a run with these settings will take, by a trainer that goes on for at least the updates to be timed."""
    with torch.no_grad(), recorded(trainer.scorer, trainer.frozen) as reading:
        rollout = trainer.collector.collect(trainer.actor, config.rollout_steps, trainer.rng)
        trainer.estimate(rollout)
    calls = _policy_calls(trainer, [decision for row in rollout.decisions for decision in row])
    shown, warm_start_calls = _demonstrations(trainer)
    memory = _memory(trainer, calls + warm_start_calls, reading)
    trainer.actor.clear_cache()
    seconds = []
    for _ in range(1 + _TIMED_UPDATES):
        metrics = trainer.step()
        seconds.append(sum(value for name, value in metrics.items() if name.endswith("_s")))
    learning = [*trainable(trainer.scorer.model), *trainable(trainer.critic.head)]
    return Plan(
        parameters=sum(p.numel() for p in trainer.scorer.model.parameters()),
        trainable=sum(p.numel() for p in learning),
        max_tokens_per_forward=trainer.scorer.max_tokens_per_forward,
        memory=memory,
        rollout_tokens=_num_tokens(reading),
        policy_tokens=config.epochs * sum(_num_tokens(call) for call in calls),
        micro_batches=len(calls),
        # The first update warms up; a median, for a busy machine.
        update_s=statistics.median(seconds[1:]),
        self_imitation_s=_self_imitation_s(trainer, rollout),
        updates=config.num_updates,
        warm_start_s=_warm_start_s(trainer, shown),
    )


def _policy_calls(trainer: Trainer, decisions: list[Decision]) -> list[list[Forward]]:
    """The forwards of each micro-batch of one pass over a rollout, found without gradients."""
    count = trainer.config.policy_minibatches * trainer.config.gradient_accumulation
    order = np.random.default_rng(trainer.config.seed).permutation(len(decisions))
    return _calls(trainer, decisions, np.split(order, count))


def _calls(trainer: Trainer, decisions: list[Decision], minibatches: list[IntArray]) -> list[list[Forward]]:
    calls = []
    for index in minibatches:
        for part in micro_batches(trainer.scorer, decisions, index):
            with torch.no_grad(), recorded(trainer.scorer) as forwards:
                trainer.scorer.score([decisions[i] for i in part])
            calls.append(forwards)
    return calls


def _demonstrations(trainer: Trainer) -> tuple[_TimedDemonstrations | None, list[list[Forward]]]:
    """What the planner shows before the first update, and the forwards of each micro-batch of a pass over it."""
    config = trainer.config
    episodes = min(config.warm_start_episodes, _SHOWN_EPISODES)
    if not episodes:
        return None, []
    began = time.perf_counter()
    found = demonstrate_all(config, trainer.actor.fits, episodes)
    shown = _TimedDemonstrations(found, config.warm_start_episodes / episodes, time.perf_counter() - began)
    return shown, _calls(trainer, found.decisions, shown.minibatches(config.seed))


def _warm_start_s(trainer: Trainer, shown: _TimedDemonstrations | None) -> float:
    """Seconds of a warm start: the planner's, and those of its optimizer steps, of which a few are timed."""
    if shown is None:
        return 0.0
    config = trainer.config
    index = shown.minibatches(config.seed)[0]
    few = Demonstrations([shown.found.decisions[i] for i in index], [shown.found.actions[i] for i in index])
    began = time.perf_counter()
    clone(trainer.actor, few, learning_rate=config.actor_lr, max_grad_norm=config.max_grad_norm, seed=config.seed)
    step_s = (time.perf_counter() - began) / PASSES
    steps = PASSES * math.ceil(len(shown.found.actions) * shown.scale / BATCH)
    return shown.seconds * shown.scale + step_s * steps


def _self_imitation_s(trainer: Trainer, rollout: Rollout) -> float:
    """Seconds of the steps towards a rollout's decisions, as if all of them had been rewarded."""
    if not trainer.config.self_imitation_steps:
        return 0.0
    ends = np.zeros_like(rollout.truncated)
    ends[-1] = True
    trainer.state.note(replace(rollout, rewards=np.ones_like(rollout.rewards), truncated=ends), trainer.config)
    for window in trainer.state.windows.values():
        window.recent.clear()
    began = time.perf_counter()
    trainer.imitate_itself()
    return time.perf_counter() - began


def _memory(trainer: Trainer, calls: list[list[Forward]], reading: list[Forward]) -> Memory:
    model, scorer = trainer.scorer.model, trainer.scorer
    activations = measure_activations(scorer, trainer.collector.current[0])
    bound = scorer.max_tokens_per_forward
    largest = max(calls, key=lambda call: activations.peak_bytes(call, bound))
    logits = max(map(activations.logits_bytes, largest))
    if sum(forward.num_tokens for forward in largest) <= bound:
        logits = sum(map(activations.logits_bytes, largest))
    return Memory(
        base=frozen_bytes(model) + copied_bytes(scorer, trainer.frozen),
        adapters=learner_bytes(model),
        value_head=frozen_bytes(trainer.critic.head) + learner_bytes(trainer.critic.head),
        features=tensor_bytes(trainer.critic.known.values()) + (scorer.lower.kept_bytes if scorer.lower else 0),
        activations=round(activations.peak_bytes(largest, bound)) - logits,
        logits=logits,
        reading=round(activations.reading_bytes(reading)),
    )


def _num_tokens(forwards: list[Forward]) -> int:
    return sum(forward.num_tokens for forward in forwards)
