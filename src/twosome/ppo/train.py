"""The training loop: collect, estimate, improve the critic, improve the policy, record.

It makes `twosome.minimal.train`, the same in plain lines, fast, resumable and many-handed; tests/invariants compare.

Departures from the paper's published code, each with its reason:

- advantages are normalized over the whole rollout, with a floor under their spread, not inside minibatches of 4:
  a minibatch's own statistics are noise, and without rewards they blow noise up to full-sized updates;
- a cut-off episode (`truncated`) is bootstrapped with the value of its last state: it had a future;
- the gradients of adapters and value head are clipped apart: their scales have nothing to do with each other;
- adapters, value head and optimizer state are float32: AdamW's second moment underflows in half precision;
- the critic reads the last real token of the prompt, not the last position of a padded batch.

Each can be undone with `--defects`, alone or together, to measure what it is worth (`twosome.ppo.defects`).
"""

import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy.typing import NDArray
from torch import Tensor

from twosome import models
from twosome._malloc import keep_freed_memory
from twosome.config import TrainConfig
from twosome.content import WINDOW, read_state
from twosome.decision import Decision
from twosome.distributed import OneProcess, Ranks, joined
from twosome.envs import text
from twosome.errors import CheckpointError, DivergedError, quote
from twosome.extras import require_extras
from twosome.launch import require_equal_shares
from twosome.opening import Consent, consent_needed, granted, is_finished, open_checkpoint, read_settings
from twosome.policy.actor import Actor
from twosome.policy.calibration import Calibration, load_calibration, save_calibration
from twosome.policy.critic import Critic, State, ValueHead
from twosome.policy.fingerprint import model_files, require_same_model
from twosome.policy.lm import frozen_features, recompute_layers, trainable
from twosome.policy.loading import load_scorer
from twosome.policy.sharding import load_sharded_scorer
from twosome.policy.tuning import begin_tuning, frozen_copy, load_tuned, save_tuned
from twosome.ppo.checkpoint import load_critic, load_optimizers, num_moments, save_critic, save_optimizers
from twosome.ppo.cloning import imitate
from twosome.ppo.decomposition import Choices, choice_log_probs, decompose, estimate_choices, whole_actions
from twosome.ppo.defects import HalfPrecisionAdamW, normalize_by_fours, padded_features, padded_together
from twosome.ppo.gae import Estimates, normalize_advantages
from twosome.ppo.groups import estimate_in_groups
from twosome.ppo.interrupt import Interrupted, interruptible
from twosome.ppo.loss import PolicyLoss, path_policy_loss, value_loss
from twosome.ppo.microbatch import backward_mean, keep_within, micro_batches
from twosome.progress import Progress
from twosome.rollout import (
    Collector,
    Episode,
    Rollout,
    episode_means,
    merge,
    merge_states,
    random_decisions,
    random_episodes,
    variety,
)
from twosome.runs import STATE, RunDirectory, write_json
from twosome.scoring import ActionScorer
from twosome.symptoms import TrainingWarning, Watch, random_return
from twosome.tracking import Tracker
from twosome.versions import versions


class RestartedEpisodesWarning(UserWarning):
    """A resumed run could not take up its episodes where they stood."""


_RATES = {"value": "critic", "temperature": "calibration"}
"""What a part of the loss is called, and whose learning rate may be too high for it; else it is the actor's."""

Report = Callable[[dict[str, Any]], None]


def train(config: TrainConfig, report: Report | None = None, *, progress: bool = True) -> Path:
    """Train an agent; the same as the command `twosome train`.

    Args:
        config: the settings.
        report: is handed the metrics of each update as they are made.
        progress: show how far it is, in a terminal or a notebook; elsewhere nothing is shown.

    Returns:
        The run directory.

    Raises:
        TwosomeError: whatever went wrong, with what to do about it.
        KeyboardInterrupt: after Ctrl-C, SIGTERM or SIGHUP, once a checkpoint has been saved.
    """
    with joined() as ranks:
        folder = ranks.on_main(lambda: config.folder)
        require_extras(track=config.track, quantization=config.quantization)
        ranks.on_main(lambda: RunDirectory.require_free(folder))
        env, model = text.resolve(config.env), models.everywhere(config.model)
        with Trainer(replace(config, env=env, model=model, output=folder), ranks=ranks) as trainer:
            trainer.warm_start()
            settings = trainer.config.to_json()
            run = ranks.on_main(lambda: RunDirectory.create(folder, settings, versions(trainer.config.env)))
            with ranks.held_by_main(run.locked):
                trainer.save(run)
                return _shown(trainer, run, report, progress)


def resume(
    path: str | Path,
    report: Report | None = None,
    *,
    progress: bool = True,
    trust_remote_code: bool = False,
    trust_env_module: bool = False,
    allow_other_model: bool = False,
) -> Path:
    """Go on with an interrupted run from its last checkpoint; the same as `twosome train --resume`.

    Args:
        path: the run directory.
        report: is handed the metrics of each update as they are made.
        progress: show how far it is, where somebody watches.
        trust_remote_code: run Python code that comes with the model, if the run was begun so.
        trust_env_module: import the module that registers the run's world ("module:id").
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
    with joined() as ranks:
        run = ranks.on_main(lambda: RunDirectory.open(Path(path)))
        with ranks.held_by_main(run.locked):
            return _resume(run, consent, report, ranks, progress)


def _resume(run: RunDirectory, consent: Consent, report: Report | None, ranks: Ranks, progress: bool) -> Path:
    config = read_settings(run, consent)
    if ranks.on_main(lambda: is_finished(run, config)):
        return run.path
    folder, files = ranks.on_main(lambda: _to_go_on_from(run, config, consent))
    with Trainer(config, folder, ranks) as trainer:
        trainer.model_files = files
        return _go_on(trainer, run, report, progress, begins=folder is None)


def _go_on(trainer: "Trainer", run: RunDirectory, report: Report | None, progress: bool, *, begins: bool) -> Path:
    config, ranks = trainer.config, trainer.ranks
    if ranks.rank == 0 and not trainer.worlds_restored:
        warnings.warn(
            f"{config.env} cannot restore its state (it has no get_state and set_state), so its episodes begin anew: "
            "the run goes on, but not exactly as it would have without the interruption.",
            RestartedEpisodesWarning,
            stacklevel=3,
        )
    ranks.on_main(lambda: run.truncate_metrics(trainer.metrics_bytes))
    best = trainer.best_checkpoint
    if begins:
        trainer.warm_start()
        trainer.save(run)
    elif best is not None:
        # A crash may have come between the checkpoint and the note that it is the best.
        ranks.on_main(lambda: run.mark_best(best))
    return _shown(trainer, run, report, progress)


def _shown(trainer: "Trainer", run: RunDirectory, report: Report | None, progress: bool) -> Path:
    """Run, and let somebody who watches see how far it is."""

    def tell(metrics: dict[str, Any]) -> None:
        display.update(metrics)
        if report is not None:
            report(metrics)

    with Progress(trainer.config, quiet=not progress or trainer.ranks.rank > 0, unwatched=False) as display:
        return trainer.run(run, tell)


def _to_go_on_from(
    run: RunDirectory, config: TrainConfig, consent: Consent
) -> tuple[Path | None, dict[str, str] | None]:
    """The last checkpoint, if there is one yet, and the files of the model; once these are what they were."""
    if not run.has_begun():
        return None, None
    folder, state = open_checkpoint(run, "last", config)
    if "model_files" not in state:
        return folder, None
    return folder, require_same_model(state["model_files"], config, allow_other=consent.allow_other_model)


class Trainer:
    """The state of a run, and its phases in the order in which they happen.

    Args:
        config: the settings.
        checkpoint: folder of a checkpoint to go on from; None to begin.
        ranks: the processes that train together; None: this one alone.

    Raises:
        CheckpointError: the checkpoint is damaged or belongs to another model.
        ConfigError: the environments cannot be shared equally among the processes.
    """

    def __init__(self, config: TrainConfig, checkpoint: Path | None = None, ranks: Ranks | None = None) -> None:
        self.ranks: Ranks = OneProcess() if ranks is None else ranks
        require_equal_shares(config.num_envs, self.ranks.size)
        keep_freed_memory()
        torch.set_num_threads(config.threads)
        self.gamma = text.gamma_of(config.env, config.env_kwargs) if config.gamma is None else config.gamma
        self.config = replace(config, gamma=self.gamma)
        self.scorer = self._load_scorer()
        self.frozen = frozen_copy(self.scorer, config)
        if checkpoint is None:
            begin_tuning(self.scorer, config)
        else:
            load_tuned(self.scorer, config, checkpoint, trainable=True)
        if config.gradient_checkpointing:
            recompute_layers(self.scorer)
        calibration = Calibration(config.prior_weight)
        self.actor = Actor(self.scorer, config.normalization, config.context_free_prompt, calibration, self.frozen)
        self.collector = Collector(
            text.maker(config.env, config.env_kwargs, self.scorer.fits),
            config.num_envs,
            self.gamma,
            config.seed,
            self.ranks.share(config.num_envs),
        )
        try:
            self._begin(checkpoint)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the environments."""
        self.collector.close()

    def _begin(self, checkpoint: Path | None) -> None:
        """What is learnt beside the model, and how far: from the checkpoint, or from the start."""
        config = self.config
        self.critic = Critic(self._new_head(), self._read_features)
        self.rng = np.random.default_rng(config.seed)
        self.optimizers = self._new_optimizers()
        if config.memory_budget_gib is not None:
            budget, first = config.memory_budget_gib, self.collector.current
            keep_within(budget, self.scorer, self.frozen, self.critic.head, first)
        self.update = 0
        self.env_steps = 0
        self.num_episodes = 0
        self.recent: deque[Episode] = deque(maxlen=WINDOW)
        self.best_return = -np.inf
        self.best_checkpoint: str | None = None
        self.metrics_bytes = 0
        self.model_files: dict[str, str] | None = None
        self.worlds_restored = True
        if checkpoint is not None:
            self._read(checkpoint)
        elif self._learns_normalization:
            self._calibrate()

    def _load_scorer(self) -> ActionScorer:
        if self.config.shard_model:
            return load_sharded_scorer(self.config, self.ranks)
        return load_scorer(self.config, device=self.ranks.device(self.config.device))

    def _new_head(self) -> ValueHead:
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            # Asking the model is surer than its config: some families project their last state.
            _, width = frozen_features(self.frozen, [self.collector.current[0].prompt]).shape
            # Without a critic it stays as it is.
            return ValueHead(width).to(self.scorer.device).requires_grad_(self.config.algorithm != "grpo")

    def _read_features(self, states: Sequence[State]) -> Float[Tensor, "B D"]:
        """Each rank reads its share of the states: so the time is shared, and the bits are the same everywhere."""

        def read() -> Tensor:
            own: Sequence[Any] = [states[i] for i in self.ranks.share(len(states))]
            features = padded_features if "padded-critic" in self.config.defects else frozen_features
            return features(self.frozen, own).cpu() if own else torch.empty(0)

        return torch.cat([part for part in self.ranks.gather(read) if len(part)]).to(self.scorer.device)

    def _as_read(self, states: Sequence[State], batch_size: int) -> Sequence[State]:
        """States as the critic reads them: each by itself."""
        if "padded-critic" in self.config.defects:
            return padded_together(self.scorer, [state for state in states if isinstance(state, str)], batch_size)
        return states

    @property
    def _learns_normalization(self) -> bool:
        return self.config.normalization == "learned"

    def _calibrate(self) -> None:
        """Set the temperature by the entropy of the untrained policy where random play leads."""
        env, kwargs = self.config.env, self.config.env_kwargs
        met = random_decisions(text.maker(env, kwargs, self.scorer.fits), self.config.seed)
        self.actor.calibrate(met, self.config.target_entropy)
        # Each rank has played alike, but not every device repeats a sum to the last bit.
        self.ranks.take_from_main([self.actor.calibration.log_temperature])

    def _new_optimizers(self) -> dict[str, torch.optim.Optimizer]:
        adamw = HalfPrecisionAdamW if "half-precision" in self.config.defects else torch.optim.AdamW
        calibration = torch.optim.Adam(self.actor.calibration.parameters(), lr=self.config.calibration_lr, eps=1e-5)
        return {
            "actor": adamw(trainable(self.scorer.model), lr=self.config.actor_lr, eps=1e-5, weight_decay=0.0),
            "critic": torch.optim.Adam(self.critic.head.parameters(), lr=self.config.critic_lr, eps=1e-5),
            **({"calibration": calibration} if self._learns_normalization else {}),
        }

    def warm_start(self) -> None:
        """Before the first update: imitate the world's planner, if the settings ask for it.

        Raises:
            WorldError: the world has no planner.
        """
        if self.config.warm_start_episodes == 0:
            return
        imitate(self.actor, self.config)
        # Done on each rank alike, but not every device repeats a sum to the last bit.
        self.ranks.take_from_main(trainable(self.scorer.model))
        self.optimizers = self._new_optimizers()

    # -- the loop --------------------------------------------------------------------------------------

    def run(self, run: RunDirectory, report: Report | None = None) -> Path:
        """Train until the budget is spent."""

        def record(metrics: dict[str, Any]) -> int:
            metrics |= self._random_return(watch.random_decisions_wanted(metrics))
            if found := watch.see(metrics):
                metrics["warnings"] = [symptom.code for symptom in found]
            num_bytes = run.append_metrics(metrics)
            tracker.log(metrics)
            for symptom in found:
                warnings.warn(str(symptom), TrainingWarning, stacklevel=2)
            if report is not None:
                report(metrics)
            return num_bytes

        watch = self.ranks.on_main(partial(self._watch, run))
        trackers = self.ranks.held_by_main(lambda: Tracker(run.path, self.config, self.update))
        with trackers as tracker, interruptible(alone=self.ranks.size == 1) as interrupted:
            saved_at = self.update
            while self.update < self.config.num_updates:
                metrics = self.step()
                self.metrics_bytes = self.ranks.on_main(partial(record, metrics))
                stop = self.ranks.any(interrupted.is_set())
                due = (self.update - saved_at) * self.config.batch_size >= self.config.checkpoint_every
                if due or stop or self.update == self.config.num_updates:
                    self.save(run)
                    saved_at = self.update
                if stop and self.update < self.config.num_updates:
                    raise Interrupted(
                        f"stopped after {self.update * self.config.batch_size} decisions; everything is saved. "
                        f"Go on with: twosome train --resume {run.path}{consent_needed(self.config)}",
                        interrupted.number or signal.SIGINT,  # another rank's
                    )
        return run.path

    def _watch(self, run: RunDirectory) -> Watch:
        """Who looks for what is wrong, having seen the updates that are made."""
        watch = Watch(self.config.normalization)
        for row in run.read_metrics():
            watch.see(row)
        return watch

    def _random_return(self, decisions: int) -> dict[str, Any]:
        """What random play earns in so many decisions, if any, as metrics name it: in worlds and draws of its own."""
        if not decisions:
            return {}
        env, kwargs = self.config.env, self.config.env_kwargs
        played = random_episodes(lambda: text.make(env, **kwargs), self.gamma, self.config.seed, decisions)
        return random_return([episode.discounted_return for episode in played])

    def step(self) -> dict[str, Any]:
        """One update: collect, estimate, improve. Returns its metrics."""
        clock = _Clock()
        self._anneal()
        with clock("rollout_s"):
            rollout = merge(self.ranks.gather(self._collect))
        with clock("estimate_s"):
            choices, old_values, estimates = self.estimate(rollout)
        losses: dict[str, Any] = {}
        if self.config.algorithm != "grpo":
            with clock("value_s"):
                losses |= self.improve_critic(choices, old_values, estimates)
        with clock("policy_s"):
            if self.update * self.config.batch_size >= self.config.critic_warmup_steps:
                losses |= self.improve_policy(rollout, choices, estimates)
        # Also where the model has not changed: what is remembered was computed in the company of other decisions, so
        # its last bits depend on history that a resumed run does not have.
        self.actor.forget()
        self.update += 1
        return {**self._count(rollout), **losses, **clock.seconds}

    def _collect(self) -> Rollout:
        """This rank's environments' part of the rollout."""
        try:
            return self.collector.collect(self.actor, self.config.rollout_steps, self.rng)
        except DivergedError as error:
            raise self._diverged(str(error), "policy") from error

    def estimate(self, rollout: Rollout) -> tuple[Choices, Float[Tensor, " N"], Estimates]:
        """The choices that credit goes to, the critic's values before them, and advantages and returns from these.

        A choice is a whole action, except in action decomposition. Without a critic the values are 0, and the
        advantages are relative to equal decisions.
        """
        T, E = rollout.actions.shape
        if self.config.algorithm == "grpo":
            floor = self.config.advantage_std_floor
            estimates = estimate_in_groups(rollout, gamma=self.gamma, std_floor=floor)
            flat = Estimates(estimates.advantages.flatten(), estimates.returns.flatten())
            return whole_actions(rollout), torch.zeros(T * E), flat
        poad = self.config.algorithm == "poad"
        choices = decompose(rollout, self.scorer.spans) if poad else whole_actions(rollout)
        following = [prompt for row in rollout.next_prompts for prompt in row]
        values = self.critic.values(self._as_read([*choices.states, *following], E)).cpu()
        old_values, next_values = values[: len(choices.states)], values[len(choices.states) :].view(T, E)
        terminated = torch.from_numpy(rollout.terminated)
        truncated = torch.from_numpy(rollout.truncated)
        if "timeouts-terminal" in self.config.defects:
            terminated = terminated | truncated
        estimates = estimate_choices(
            choices.is_choice.sum(1).view(T, E),
            torch.from_numpy(rollout.rewards),
            torch.from_numpy(rollout.durations),
            old_values,
            next_values,
            terminated,
            truncated,
            gamma=self.gamma,
            gae_lambda=self.config.gae_lambda,
        )
        return choices, old_values, estimates

    def improve_critic(
        self, choices: Choices, old_values: Float[Tensor, " N"], estimates: Estimates
    ) -> dict[str, float]:
        """Fit the value head to the returns."""
        device = self.scorer.device
        old, returns = old_values.to(device), estimates.returns.to(device)
        losses = []
        for index in self._minibatches(self.config.value_minibatches):
            numbers = choices.numbers(index)
            states = [choices.states[i] for i in numbers.tolist()]
            values = self.critic.head(self.critic.features(self._as_read(states, len(index))))
            loss = value_loss(values, old[numbers], returns[numbers], clip=self.config.clip)
            self._check_finite("value loss", loss)
            self.optimizers["critic"].zero_grad()
            torch.autograd.backward(self.config.value_coef * loss)
            norm = torch.nn.utils.clip_grad_norm_(self.critic.head.parameters(), self.config.max_grad_norm)
            self._check_finite("value gradient", norm)
            self.optimizers["critic"].step()
            losses.append(loss.item())
        # Fitted on each rank alike; but not every device repeats a sum to the last bit, and differences would grow.
        self.ranks.take_from_main(list(self.critic.head.parameters()))
        residual = (estimates.returns - old_values).var(correction=0) / estimates.returns.var(correction=0)
        return {"value_loss": _mean(losses), "explained_variance": 1 - residual.clamp(max=1e6).nan_to_num(1.0).item()}

    def improve_policy(self, rollout: Rollout, choices: Choices, estimates: Estimates) -> dict[str, float]:
        """Clipped policy-gradient steps, until the policy has moved far enough."""
        device = self.scorer.device
        decisions = [decision for row in rollout.decisions for decision in row]
        remaining, old_logp = choices.remaining.to(device), choices.old_logp.to(device)
        flat = estimates.advantages
        if self.config.algorithm != "grpo":  # within groups they are normalized already
            flat = normalize_advantages(flat, self.config.advantage_std_floor)
        advantages = choices.padded(flat).to(device)
        parameters = trainable(self.scorer.model)
        calibration = list(self.actor.calibration.parameters()) if self._learns_normalization else []
        # The value head's gradients are still those of its last minibatch.
        clipped = [*parameters, *self.critic.head.parameters()] if "shared-clip" in self.config.defects else parameters
        seen: list[dict[str, float]] = []
        steps = 0
        for index in self._minibatches(self.config.policy_minibatches):
            if "minibatch-advantages" in self.config.defects:
                advantages[index] = normalize_by_fours(estimates.advantages[index])[:, None].to(device)
            group = [
                self._accumulate(decisions, part, remaining, old_logp, advantages)
                for part in np.split(index, self.config.gradient_accumulation)
            ]
            means = self.ranks.sum({name: _mean([part[name] for part in group]) for name in group[0]})
            self._check_finite("policy loss", torch.tensor(means["policy_loss"]))
            seen.append(means)
            if 0 < self.config.target_kl < means["approx_kl"]:
                self._zero_policy_gradients()
                break
            self.ranks.sum_gradients([*parameters, *calibration])
            norm = torch.nn.utils.clip_grad_norm_(clipped, self.config.max_grad_norm)
            self._check_finite("policy gradient", norm)
            self.optimizers["actor"].step()
            if calibration:
                norm = torch.nn.utils.clip_grad_norm_(calibration, self.config.max_grad_norm)
                self._check_finite("gradient of the temperature and the prior's weight", norm)
                self.optimizers["calibration"].step()
                self.actor.calibration.keep_in_bounds()
            self._zero_policy_gradients()
            steps += 1
        return {**{name: _mean([means[name] for means in seen]) for name in seen[0]}, "policy_steps": steps}

    def _zero_policy_gradients(self) -> None:
        for name in self.optimizers.keys() - {"critic"}:
            self.optimizers[name].zero_grad()

    def _accumulate(
        self,
        decisions: Sequence[Decision],
        part: NDArray[np.int64],
        remaining: Bool[Tensor, "B J A"],
        old_logp: Float[Tensor, "B J"],
        advantages: Float[Tensor, "B J"],
    ) -> dict[str, float]:
        """Add the gradient of this rank's share of an equal part of a minibatch.

        The gradients of all parts, summed over the ranks, are those of the minibatch's mean; so are the returned
        numbers, averaged over the parts and summed over the ranks.
        """

        def loss_of(index: NDArray[np.int64]) -> PolicyLoss:
            log_policy = self.actor.log_policy([decisions[i] for i in index])
            return path_policy_loss(
                log_policy,
                choice_log_probs(log_policy, remaining[index]),
                old_logp[index],
                advantages[index],
                clip=self.config.clip,
                entropy_coef=self._entropy_coef,
            )

        own = micro_batches(self.scorer, decisions, self._own(decisions, part))
        return backward_mean(
            own, loss_of, size=len(part), divisor=self.config.gradient_accumulation, backward=self.ranks.pace.backward
        )

    def _own(self, decisions: Sequence[Decision], part: NDArray[np.int64]) -> NDArray[np.int64]:
        """This rank's share of some decisions; those stay together of which the model is shown the like once."""
        distinct = sorted({decisions[i] for i in part}, key=lambda decision: (decision.prompt, decision.actions))
        places = {decision: place for place, decision in enumerate(distinct)}
        own = self.ranks.share(len(places))
        return part[[places[decisions[i]] in own for i in part]]

    # -- schedules and counts --------------------------------------------------------------------------

    @property
    def _progress(self) -> float:
        return self.update / self.config.num_updates

    @property
    def _entropy_coef(self) -> float:
        start, end = self.config.entropy_coef, self.config.entropy_coef_final
        return start + self._progress * (end - start)

    def _anneal(self) -> None:
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = getattr(self.config, f"{name}_lr") * (1 - self._progress)

    def _minibatches(self, count: int) -> Iterator[NDArray[np.int64]]:
        """Equal parts of the rollout, pass after pass; a pass is drawn when it begins."""
        for _ in range(self.config.epochs):
            yield from np.split(self.rng.permutation(self.config.batch_size), count)

    def _check_finite(self, what: str, value: Tensor) -> None:
        if not torch.isfinite(value):
            raise self._diverged(f"the {what} became {value.item()}.", what)

    def _diverged(self, what: str, part: str) -> DivergedError:
        rate = next((f"--{name}-lr" for word, name in _RATES.items() if word in part), "--actor-lr")
        return DivergedError(
            f"In update {self.update + 1}, after {self.update * self.config.batch_size} decisions: {what} Checkpoints "
            f"up to then are intact. Try a lower {rate}, or --dtype float32 if the model is in half precision."
        )

    def _count(self, rollout: Rollout) -> dict[str, Any]:
        self.env_steps += int(rollout.durations.sum())
        self.num_episodes += len(rollout.episodes)
        self.recent.extend(rollout.episodes)
        return {
            "update": self.update,
            "decisions": self.update * self.config.batch_size,
            "env_steps": self.env_steps,
            "episodes": self.num_episodes,
            **episode_means(self.recent),
            "actor_lr": self.optimizers["actor"].param_groups[0]["lr"],
            **(self.actor.calibration.numbers() if self._learns_normalization else {}),
            **variety(rollout),
            "distinct_prompts": sum(isinstance(state, str) for state in self.critic.known),
        }

    def _fresh_seed(self) -> tuple[int, int]:
        """For worlds that begin anew on resume: not the seed of the start, or they would repeat its episodes."""
        return self.config.seed, self.update + 1

    # -- saving and going on ---------------------------------------------------------------------------

    def save(self, run: RunDirectory) -> Path:
        """Write a checkpoint. It is the best so far if the latest episodes, once there are enough, say so."""
        mean = _mean([episode.discounted_return for episode in self.recent]) if len(self.recent) == WINDOW else -np.inf
        name = RunDirectory.checkpoint_name(self.update * self.config.batch_size)
        if mean > self.best_return:
            self.best_return, self.best_checkpoint = mean, name
        best = self.best_checkpoint == name
        write = partial(self._write, run, worlds=merge_states(self.ranks.gather(self.collector.state)))
        return self.ranks.on_main(
            lambda: run.write_checkpoint(name, write, best=best, keep=self.config.keep_checkpoints)
        )

    def _write(self, run: RunDirectory, folder: Path, worlds: dict[str, Any]) -> None:
        if self.model_files is None:
            self.model_files = model_files(self.config)
        save_tuned(self.scorer, self.config, folder)
        if self._learns_normalization:
            save_calibration(self.actor.calibration, folder)
        save_critic(self.critic, folder)
        save_optimizers(self.optimizers, folder)
        write_json(
            folder / STATE,
            {
                "update": self.update,
                "env_steps": self.env_steps,
                "num_episodes": self.num_episodes,
                "recent": [asdict(episode) for episode in self.recent],
                "best_return": None if self.best_return == -np.inf else self.best_return,
                "best_checkpoint": self.best_checkpoint,
                "metrics_bytes": self.metrics_bytes,
                "rng": self.rng.bit_generator.state,
                "worlds": worlds,
                "moments": num_moments(self.optimizers),
                "metrics_sha256": run.metrics_hash(self.metrics_bytes),
                "settings": self.config.to_json(),
                "model_files": self.model_files,
            },
        )

    def _read(self, folder: Path) -> None:
        state = read_state(folder, self.config)
        if self._learns_normalization:
            load_calibration(self.actor.calibration, folder)
        load_critic(self.critic, folder, self.scorer.device)
        load_optimizers(self.optimizers, folder, state.get("moments"))
        self.update = state["update"]
        self.env_steps = state["env_steps"]
        self.num_episodes = state["num_episodes"]
        self.recent.extend(Episode(**episode) for episode in state["recent"])
        self.best_return = -np.inf if state["best_return"] is None else state["best_return"]
        self.best_checkpoint = state["best_checkpoint"]
        self.metrics_bytes = state["metrics_bytes"]
        self.rng.bit_generator.state = state["rng"]
        try:
            self.worlds_restored = self.collector.restore(state["worlds"], fresh_seed=self._fresh_seed())
        except Exception as error:  # an environment may answer with any error to a state that is not its own
            raise CheckpointError(
                f"the checkpoint {folder} is damaged: {self.config.env} cannot go back to what its {STATE} says of the "
                f"worlds: {type(error).__name__} {quote(str(error))}. Delete the folder to go on from the one before."
            ) from error


class _Clock:
    """Seconds spent in each phase of an update."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - start


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
