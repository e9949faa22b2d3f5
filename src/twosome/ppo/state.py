"""Where a run stands: what is counted, and how all of it goes into a checkpoint and comes back."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from twosome import models
from twosome.checkpoint_schema import WINDOW, read_state
from twosome.config import TrainConfig
from twosome.distributed import Ranks
from twosome.envs import callables
from twosome.errors import CheckpointError, DivergedError, EnvError, quote
from twosome.policy.calibration import load_calibration, save_calibration
from twosome.policy.fingerprint import model_files, require_same_model
from twosome.ppo.build import Parts
from twosome.ppo.checkpoint import load_critic, load_optimizers, num_moments, save_critic, save_optimizers
from twosome.ppo.interrupt import BrokenOff
from twosome.ppo.reward_scale import RewardScale
from twosome.ppo.self_imitation import OwnEpisodes
from twosome.rollout import Episode, Rollout, episode_means, merge_states
from twosome.run_files import write_json
from twosome.runs import STATE, RunDirectory
from twosome.trust import Consent, consent_needed, open_checkpoint
from twosome.versions import versions

_RATES = {"value": "critic", "temperature": "calibration"}
"""What a part of the loss is called, and whose learning rate may be too high for it; else it is the actor's."""


class RestartedEpisodesWarning(UserWarning):
    """A resumed run could not take up its episodes where they stood."""


@dataclass
class RunState:
    """What a run has counted so far."""

    update: int = 0  # updates made
    env_steps: int = 0  # primitive steps
    num_episodes: int = 0  # finished episodes
    episodes_lost: int = 0  # those that ended since their environment crashed or hung
    unrewarded: int = 0  # latest decisions in whose rollouts nothing was rewarded
    recent: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))  # the latest of them
    best_return: float = -np.inf  # the highest mean return of the recent episodes at a checkpoint
    best_checkpoint: str | None = None  # its name
    metrics_bytes: int = 0  # length of metrics.jsonl
    model_files: dict[str, str] | None = None  # hashes of the model's files, once they are known
    reward_scale: RewardScale = field(default_factory=RewardScale)  # what rewards are divided by, if they are
    own_episodes: OwnEpisodes = field(default_factory=OwnEpisodes)  # those that may be imitated, if any are

    def note(self, rollout: Rollout, config: TrainConfig) -> None:
        """Count for how long nothing has been rewarded, and keep what was."""
        self.unrewarded = 0 if rollout.rewards.any() else self.unrewarded + rollout.actions.size
        if config.self_imitation_steps:
            self.own_episodes.take_in(rollout)

    def count(self, rollout: Rollout) -> dict[str, Any]:
        """Count an update with its rollout, and say how far the run is, as metrics do."""
        self.update += 1
        self.env_steps += int(rollout.durations.sum())
        self.num_episodes += len(rollout.episodes)
        self.episodes_lost += rollout.num_lost
        self.recent.extend(rollout.episodes)
        return {
            "update": self.update,
            "decisions": self.update * rollout.actions.size,
            "env_steps": self.env_steps,
            "episodes": self.num_episodes,
            "episodes_lost": self.episodes_lost,
            **episode_means(self.recent),
        }

    def is_best(self, name: str) -> bool:
        """Whether a checkpoint of this name, made now, is the best so far; it is noted as such.

        It is if the latest episodes, once there are enough, say so.
        """
        returns = [episode.discounted_return for episode in self.recent]
        mean = float(np.mean(returns)) if len(returns) == WINDOW else -np.inf
        if mean > self.best_return:
            self.best_return, self.best_checkpoint = mean, name
        return self.best_checkpoint == name


def create_run(config: TrainConfig) -> RunDirectory:
    """The directory of a run that begins."""
    assert config.output is not None
    return RunDirectory.create(config.output, config.to_json(), versions(config.env))


def last_checkpoint(
    run: RunDirectory, config: TrainConfig, consent: Consent
) -> tuple[Path | None, dict[str, str] | None]:
    """The last checkpoint, if there is one yet, and the files of the model; once these are what they were."""
    if not run.has_begun():
        return None, None
    folder, state = open_checkpoint(run, "last", config)
    if "model_files" not in state:
        return folder, None
    return folder, require_same_model(state["model_files"], config, allow_other=consent.allow_other_model)


def rewind_files(run: RunDirectory, state: RunState) -> None:
    """Bring the files of a run that goes on to where its checkpoint stands."""
    run.truncate_metrics(state.metrics_bytes)
    if state.best_checkpoint is not None:
        # A crash may have come between the checkpoint and the note that it is the best.
        run.mark_best(state.best_checkpoint)


def resume_hint(run: RunDirectory, state: RunState, config: TrainConfig, saved: str = "everything is saved") -> str:
    """What to say of a run that was interrupted."""
    if callables.is_callable(config.env):
        command = f"twosome.resume({str(run.path)!r}, env=...) in Python, with what made its environment"
    else:
        command = f"twosome train --resume {run.path}{consent_needed(config)}"
    return f"stopped after {state.update * config.batch_size} decisions; {saved}. Go on with: {command}"


def diverged(what: str, part: str, update: int, batch_size: int) -> DivergedError:
    """The error that says that a number is not finite.

    Args:
        what: a sentence.
        part: of the loss that it is about.
        update: updates made before.
        batch_size: decisions of each.
    """
    rate = next((f"--{name}-lr" for word, name in _RATES.items() if word in part), "--actor-lr")
    return DivergedError(
        f"In update {update + 1}, after {update * batch_size} decisions: {what} Checkpoints up to then are intact. Try "
        f"a lower {rate}, or --dtype float32 if the model is in half precision."
    )


def save(
    run: RunDirectory, state: RunState, parts: Parts, ranks: Ranks, tell: Callable[[Path], object] = lambda folder: None
) -> Path:
    """Write a checkpoint of where the run stands now.

    Args:
        run: where to.
        state: what is counted.
        parts: what is learned, and the environments.
        ranks: all of them call this.
        tell: is handed its folder, on the rank that writes.
    """
    name = RunDirectory.checkpoint_name(state.update * parts.config.batch_size)
    best, keep = state.is_best(name), parts.config.keep_checkpoints
    write = partial(_write, run, state, parts, envs=merge_states(ranks.gather(parts.collector.state)))

    def written() -> Path:
        folder = run.write_checkpoint(name, write, best=best, keep=keep)
        tell(folder)
        return folder

    return ranks.on_main(written)


@contextmanager
def saved_if_broken_off(run: RunDirectory, state: RunState, parts: Parts, ranks: Ranks) -> Iterator[None]:
    """Save what can be saved where environments keep a rollout from its end: all as the last update left it, but them.

    They begin anew when the run goes on, with seeds of their own, so that it does not meet the same again. Among ranks
    nothing is saved, since they stand at different places: they go on from the last checkpoint.
    """
    parts.collector.keep_lost_in(run.path / "lost")
    try:
        yield
    except (EnvError, BrokenOff) as stop:
        if ranks.size > 1:
            raise
        state.episodes_lost += parts.collector.uncounted_losses
        name = RunDirectory.checkpoint_name(state.update * parts.config.batch_size)
        write = partial(_write, run, state, parts, envs=parts.collector.state_anew())
        best, keep = state.is_best(name), parts.config.keep_checkpoints
        run.write_checkpoint(name, write, best=best, keep=keep, in_place_of_another=True)
        hint = resume_hint(run, state, parts.config, "all but the rollout under way is saved")
        if isinstance(stop, BrokenOff):
            raise BrokenOff(f"an environment did not answer: {hint}", stop.number) from stop
        raise type(stop)(f"{stop} The run has {hint}") from stop


def _write(run: RunDirectory, state: RunState, parts: Parts, folder: Path, envs: dict[str, Any]) -> None:
    config = parts.config
    if state.model_files is None:
        state.model_files = model_files(config)
    models.save(parts.scorer.model, parts.scorer.tokenizer, parts.scorer.name, folder)
    if config.learns_normalization:
        save_calibration(parts.actor.calibration, folder)
    save_critic(parts.critic, folder)
    save_optimizers(parts.optimizers, folder)
    write_json(
        folder / STATE,
        {
            "update": state.update,
            "env_steps": state.env_steps,
            "num_episodes": state.num_episodes,
            "episodes_lost": state.episodes_lost,
            "unrewarded": state.unrewarded,
            "recent": [asdict(episode) for episode in state.recent],
            "best_return": None if state.best_return == -np.inf else state.best_return,
            "best_checkpoint": state.best_checkpoint,
            "metrics_bytes": state.metrics_bytes,
            "rng": parts.rng.bit_generator.state,
            "worlds": envs,
            "moments": num_moments(parts.optimizers),
            "metrics_sha256": run.metrics_hash(state.metrics_bytes),
            "settings": config.to_json(),
            "model_files": state.model_files,
            **({"reward_scale": asdict(state.reward_scale)} if config.normalize_rewards else {}),
            **({"own_episodes": state.own_episodes.state()} if config.self_imitation_steps else {}),
        },
    )


def restore(folder: Path, state: RunState, parts: Parts, ranks: Ranks) -> None:
    """Go back to where a checkpoint stands; what was trained of the model is there already.

    Where that fails, the environments are closed.

    Raises:
        CheckpointError: the checkpoint is damaged.
    """
    try:
        envs = _read(folder, state, parts)
        # Environments that begin anew take another seed than at the start, or they would repeat its episodes.
        lost = (state.episodes_lost,) if state.episodes_lost else ()
        restored = _restore_envs(folder, envs, parts, (parts.config.seed, state.update + 1, *lost))
        if not restored:
            state.reward_scale.sums = []
            state.own_episodes.running = []
    except BaseException:
        parts.collector.close()
        raise
    if ranks.rank == 0 and not restored:
        why = (
            "broke off in the middle of a rollout"
            if parts.collector.can_restore
            else "cannot restore its state (it has no get_state and set_state)"
        )
        warnings.warn(
            f"{parts.config.env} {why}, so its episodes begin anew: the run goes on, but not exactly as it would have "
            "without the interruption.",
            RestartedEpisodesWarning,
            stacklevel=4,
        )


def _read(folder: Path, state: RunState, parts: Parts) -> dict[str, Any]:
    """Take over all but the environments, and return where these stood."""
    config = parts.config
    saved = read_state(folder, config)
    if config.learns_normalization:
        load_calibration(parts.actor.calibration, folder)
    load_critic(parts.critic, folder, parts.scorer.device)
    load_optimizers(parts.optimizers, folder, saved.get("moments"))
    state.update = saved["update"]
    state.env_steps = saved["env_steps"]
    state.num_episodes = saved["num_episodes"]
    state.episodes_lost = saved.get("episodes_lost", 0)
    state.unrewarded = saved.get("unrewarded", 0)
    state.recent.extend(Episode(**episode) for episode in saved["recent"])
    state.best_return = -np.inf if saved["best_return"] is None else saved["best_return"]
    state.best_checkpoint = saved["best_checkpoint"]
    state.metrics_bytes = saved["metrics_bytes"]
    parts.rng.bit_generator.state = saved["rng"]
    if config.normalize_rewards:
        state.reward_scale = RewardScale(**saved["reward_scale"])
    if config.self_imitation_steps:
        state.own_episodes.restore(saved["own_episodes"])
    envs: dict[str, Any] = saved["worlds"]
    return envs


def _restore_envs(folder: Path, envs: dict[str, Any], parts: Parts, fresh_seed: tuple[int, ...]) -> bool:
    try:
        return parts.collector.restore(envs, fresh_seed=fresh_seed)
    except Exception as error:  # an environment may answer with any error to a state that is not its own
        raise CheckpointError(
            f"the checkpoint {folder} is damaged: {parts.config.env} cannot go back to what its {STATE} says of the "
            f"environments: {type(error).__name__} {quote(str(error))}. Delete the folder to go on from the one before."
        ) from error
