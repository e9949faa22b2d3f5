"""The training loop: collect, estimate, improve the critic, improve the policy, record.

It makes `twosome.minimal.train`, the same in plain lines, fast, resumable and many-handed; tests/invariants compare.

Departures from the paper's published code, each with its reason (`python -m twosome.minimal --published` undoes them):

- advantages are normalized over the whole rollout, with a floor under their spread, not inside minibatches of 4:
  a minibatch's own statistics are noise, and without rewards they blow noise up to full-sized updates;
- a cut-off episode (`truncated`) is bootstrapped with the value of its last state: it had a future;
- the gradients of adapters and value head are clipped apart: their scales have nothing to do with each other;
- adapters, value head and optimizer state are float32: AdamW's second moment underflows in half precision;
- the critic reads the last real token of the prompt, not the last position of a padded batch.
"""

import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from twosome._malloc import give_back_excess
from twosome.config import TrainConfig
from twosome.distributed import OneProcess, Ranks, process_group
from twosome.errors import DivergedError
from twosome.ppo import build, state
from twosome.ppo.credit.algorithm import Credit, loss_of_credit, no_values, require_credit
from twosome.ppo.gradient import PolicyGradient
from twosome.ppo.interrupt import Interrupted, interruptible
from twosome.ppo.loss import value_loss
from twosome.ppo.microbatch import IntArray
from twosome.ppo.record import Callbacks, Clock, Metrics, Record
from twosome.ppo.reward_scale import scaled_by_world
from twosome.ppo.self_imitation import Imitation
from twosome.rollout import Rollout, merge, variety
from twosome.runs import RunDirectory
from twosome.trust import Consent, granted, is_finished, read_settings


def train(
    config: TrainConfig,
    on_update: Callable[[Metrics], object] | None = None,
    *,
    on_checkpoint: Callable[[Path], object] | None = None,
    stop: Callable[[Metrics], bool] | None = None,
    env: build.MakeEnv | None = None,
    progress: bool = True,
) -> Path:
    """Train an agent; the same as the command `twosome train`.

    Args:
        config: the settings.
        on_update: is handed the metrics of each update as they are made.
        on_checkpoint: is handed the folder of each checkpoint, once it is complete.
        stop: is handed the metrics of each update; where it says true, the run ends with a checkpoint, resumable.
        env: a function or class that makes a new environment each time it is called, with `config.env_kwargs`; in
            place of the one that the settings name.
        progress: show how far it is, in a terminal or a notebook; elsewhere nothing is shown.

    Returns:
        The run directory.

    Raises:
        TwosomeError: whatever went wrong, with what to do about it.
        KeyboardInterrupt: after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint has been saved.
    """
    callbacks = Callbacks(on_update, on_checkpoint, stop, progress)
    with process_group() as ranks, Trainer(build.resolve_config(config, env, ranks), ranks=ranks) as trainer:
        trainer.warm_start()
        run = ranks.on_main(lambda: state.create_run(trainer.config))
        with ranks.enter_on_main(run.locked):
            trainer.save(run, callbacks)
            return trainer.run(run, callbacks)


def resume(
    path: str | Path,
    on_update: Callable[[Metrics], object] | None = None,
    *,
    on_checkpoint: Callable[[Path], object] | None = None,
    stop: Callable[[Metrics], bool] | None = None,
    env: build.MakeEnv | None = None,
    progress: bool = True,
    trust_remote_code: bool = False,
    trust_env_module: bool = False,
    allow_other_model: bool = False,
) -> Path:
    """Go on with an interrupted run from its last checkpoint; the same as `twosome train --resume`.

    Args:
        path: the run directory.
        on_update: as for `train`.
        on_checkpoint: as for `train`.
        stop: as for `train`.
        env: what made the run's environment, if that was a function or a class.
        progress: show how far it is, where somebody watches.
        trust_remote_code: run Python code that comes with the model, if the run was begun so.
        trust_env_module: import the modules that register the run's environment ("module:id") and its algorithm.
        allow_other_model: take the model as it is now, also if it is not the one that the run was trained on.

    Returns:
        The run directory.

    Raises:
        TwosomeError: whatever went wrong, with what to do about it.
        KeyboardInterrupt: after Ctrl-C, once a checkpoint has been saved.
    """
    consent = granted() | Consent(
        trust_remote_code=trust_remote_code, trust_env_module=trust_env_module, allow_other_model=allow_other_model
    )
    callbacks = Callbacks(on_update, on_checkpoint, stop, progress)
    with process_group() as ranks:
        run = ranks.on_main(lambda: RunDirectory.open(Path(path)))
        with ranks.enter_on_main(run.locked):
            config = read_settings(run, consent, trains=True)
            build.register_env(config, env)
            if ranks.on_main(lambda: is_finished(run, config)):
                return run.path
            folder, files = ranks.on_main(lambda: state.last_checkpoint(run, config, consent))
            with Trainer(config, folder, ranks) as trainer:
                trainer.state.model_files = files
                ranks.on_main(lambda: state.rewind_files(run, trainer.state))
                if folder is None:
                    trainer.warm_start()
                    trainer.save(run, callbacks)
                return trainer.run(run, callbacks)


class Trainer:
    """The state of a run, and its phases in the order in which they happen.

    Args:
        config: the settings.
        checkpoint: folder of a checkpoint to go on from; None to begin.
        ranks: the processes that train together; None: this one alone.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another model.
        ConfigError: the environments cannot be shared equally among the processes, or there is no such algorithm.
    """

    rollout: Rollout
    """Of the latest update."""

    def __init__(self, config: TrainConfig, checkpoint: Path | None = None, ranks: Ranks | None = None) -> None:
        self.ranks: Ranks = OneProcess() if ranks is None else ranks
        self.parts = parts = build.build(config, checkpoint, self.ranks)
        self.config, self.rng, self.algorithm = parts.config, parts.rng, parts.algorithm
        self.scorer, self.frozen, self.actor, self.critic = parts.scorer, parts.frozen, parts.actor, parts.critic
        self.collector, self.optimizers = parts.collector, parts.optimizers
        self.state = state.RunState.of(self.config)
        if checkpoint is not None:
            state.restore(checkpoint, self.state, parts, self.ranks)

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        self.collector.close()

    def warm_start(self) -> None:
        """Before the first update: imitate the environments' planners, if the settings ask for it."""
        build.warm_start(self.parts, self.ranks)

    # -- the loop --------------------------------------------------------------------------------------

    def run(self, run: RunDirectory, callbacks: Callbacks | None = None) -> Path:
        """Train until the budget is spent, or the caller has enough."""
        callbacks = callbacks or Callbacks()
        records = self.ranks.enter_on_main(lambda: Record(run, self.config, self.state.update, callbacks))
        is_stuck, alone = self.collector.is_stuck, self.ranks.size == 1
        with records as record, interruptible(alone=alone, is_stuck=is_stuck) as interrupted:
            saved_at, enough = self.state.update, False
            while self.state.update < self.config.num_updates and not enough:
                with state.saved_if_broken_off(run, self.state, self.parts, self.ranks):
                    told = partial(Record.update, record, self.step(), self.rollout)
                self.state.metrics_bytes, enough = self.ranks.on_main(told)
                killed = self.ranks.any(interrupted.is_set())
                due = (self.state.update - saved_at) * self.config.batch_size >= self.config.checkpoint_every
                if due or killed or enough or self.state.update == self.config.num_updates:
                    self.save(run, callbacks)
                    saved_at = self.state.update
                if killed and self.state.update < self.config.num_updates:
                    number = interrupted.number or signal.SIGINT  # another rank's
                    raise Interrupted(state.resume_hint(run, self.state, self.config), number)
        return run.path

    def step(self) -> Metrics:
        """One update: collect, estimate, improve. Returns its metrics."""
        clock = Clock()
        self._anneal()
        with clock("rollout_s"):
            rollout = self.rollout = merge(self.ranks.gather(self._collect))
            self.state.note(rollout, self.config)
        with clock("estimate_s"):
            if self.config.critic_features == "centered" and self.state.update == 0:
                self.critic.center([decision.prompt for row in rollout.decisions for decision in row])
            scales = self.state.reward_scales if self.config.normalize_rewards else None
            credit = self.estimate(scaled_by_world(scales, rollout, self.parts.gammas) if scales else rollout)
        losses: Metrics = {}
        if self.parts.has_critic:
            with clock("value_s"):
                losses |= self.improve_critic(credit)
        with clock("policy_s"):
            if not self._waits():
                losses |= self.improve_policy(rollout, credit)
            if not self._critic_first:
                losses |= self.imitate_itself()
        # Also where the model has not changed: what is remembered was computed in the company of other decisions, so
        # its last bits depend on history that a resumed run does not have.
        self.actor.clear_cache()
        give_back_excess()
        return {
            **self.state.count(rollout),
            "actor_lr": self.optimizers["actor"].param_groups[0]["lr"],
            **(self.actor.calibration.numbers() if self.config.learns_normalization else {}),
            **variety(rollout),
            **(self.state.scales_by_world() if self.config.normalize_rewards else {}),
            "distinct_prompts": sum(isinstance(known, str) for known in self.critic.known),
            **losses,
            **clock.seconds,
        }

    def _waits(self) -> bool:
        """Whether the policy stays as it is: the critic comes first, or there is nothing to learn from."""
        return self._critic_first or 0 < self.state.unrewarded <= self.config.reward_wait_steps

    @property
    def _critic_first(self) -> bool:
        return self.state.update * self.config.batch_size < self.config.critic_warmup_steps

    def _collect(self) -> Rollout:
        """This rank's environments' part of the rollout."""
        try:
            return self.collector.collect(self.actor, self.config.rollout_steps, self.rng)
        except DivergedError as error:
            raise self._diverged(str(error), "policy") from error

    def estimate(self, rollout: Rollout) -> Credit:
        """What the algorithm says of each choice in the rollout."""
        values_of = (lambda states: self.critic.values(states).cpu()) if self.parts.has_critic else no_values
        credit = self.algorithm.credit(rollout, values_of)
        require_credit(credit, self.config.algorithm, critic=self.parts.has_critic)
        return credit

    def improve_critic(self, credit: Credit) -> dict[str, float]:
        """Fit the value head to the returns."""
        assert credit.values is not None
        assert credit.returns is not None
        old, returns = credit.values.to(self.scorer.device), credit.returns.to(self.scorer.device)
        losses = []
        for index in self._minibatches(self.config.value_minibatches):
            numbers = credit.choices.numbers(index)
            values = self.critic.head(self.critic.features([credit.choices.states[i] for i in numbers.tolist()]))
            loss = value_loss(values, old[numbers], returns[numbers], clip=self.config.clip)
            self._check_finite("value loss", loss)
            self.optimizers["critic"].zero_grad()
            torch.autograd.backward(self.config.value_coef * loss)
            norm = torch.nn.utils.clip_grad_norm_(self.critic.head.parameters(), self.config.max_grad_norm)
            self._check_finite("value gradient", norm)
            self.optimizers["critic"].step()
            losses.append(loss.item())
        # Fitted on each rank alike; but not every device repeats a sum to the last bit, and differences would grow.
        self.ranks.broadcast(list(self.critic.head.parameters()))
        residual = (credit.returns - credit.values).var(correction=0) / credit.returns.var(correction=0)
        explained = 1 - residual.clamp(max=1e6).nan_to_num(1.0).item()
        return {"value_loss": float(np.mean(losses)), "explained_variance": explained}

    def improve_policy(self, rollout: Rollout, credit: Credit) -> dict[str, float]:
        """Clipped policy-gradient steps, until the policy has moved far enough."""
        decisions = [decision for row in rollout.decisions for decision in row]
        loss = loss_of_credit(self.algorithm, credit, self.scorer.device, self._entropy_coef)
        gradient = PolicyGradient(self.parts, self.ranks, decisions, loss)
        seen: list[dict[str, float]] = []
        steps = 0
        for index in self._minibatches(self.config.policy_minibatches):
            means = gradient.add(index, self.config.gradient_accumulation)
            self._check_finite("policy loss", torch.tensor(means["policy_loss"]))
            seen.append(means)
            if 0 < self.config.target_kl < means["approx_kl"]:
                gradient.clear()
                break
            gradient.step(self._check_finite)
            steps += 1
        means = {name: float(np.mean([means[name] for means in seen])) for name in seen[0]}
        return {**means, "policy_steps": steps}

    def imitate_itself(self) -> dict[str, float]:
        """Steps towards what earned rewards, in each environment as long as these are rare there."""
        if self.config.self_imitation_steps == 0:
            return {}
        seen = [loss for world in range(len(self.config.envs)) for loss in self._imitated_in(world)]
        return {"self_imitation_loss": float(np.mean(seen))} if seen else {}

    def _imitated_in(self, world: int) -> list[float]:
        """The losses of the steps towards what earned rewards in one environment."""
        own, window = self.state.own_episodes[world], list(self.state.windows.values())[world]
        if not own.worth_imitating(window.recent):
            return []
        divisor = self.state.reward_scales[world].divisor if self.config.normalize_rewards else 1.0
        found = Imitation(own.kept, self.parts.gammas[world], divisor, lambda states: self.critic.values(states).cpu())
        gradient = PolicyGradient(self.parts, self.ranks, found.decisions, found.loss, learns=("actor",))
        seen: list[float] = []
        for _ in range(self.config.self_imitation_steps):
            index = found.draw(self.rng)
            if not len(index):
                break
            seen.append(gradient.add(index)["policy_loss"])
            self._check_finite("loss of self-imitation", torch.tensor(seen[-1]))
            gradient.step(self._check_finite)
        return seen

    # -- schedules -------------------------------------------------------------------------------------

    @property
    def _entropy_coef(self) -> float:
        start, end = self.config.entropy_coef, self.config.entropy_coef_final
        return start + self._progress * (end - start)

    @property
    def _progress(self) -> float:
        return self.state.update / self.config.num_updates

    def _anneal(self) -> None:
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = getattr(self.config, f"{name}_lr") * (1 - self._progress)

    def _minibatches(self, count: int) -> Iterator[IntArray]:
        """Equal parts of the rollout, pass after pass; a pass is drawn when it begins."""
        for _ in range(self.config.epochs):
            yield from np.split(self.rng.permutation(self.config.batch_size), count)

    def _check_finite(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise self._diverged(f"the {what} became {value.item()}.", what)

    def _diverged(self, what: str, part: str) -> DivergedError:
        return state.diverged(what, part, self.state.update, self.config.batch_size)

    # -- saving and going on ---------------------------------------------------------------------------

    def save(self, run: RunDirectory, callbacks: Callbacks | None = None) -> Path:
        """Write a checkpoint. It is the best so far if the latest episodes, once there are enough, say so."""
        return state.save(run, self.state, self.parts, self.ranks, (callbacks or Callbacks()).checkpoint)
