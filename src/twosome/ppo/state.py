"""Where a run stands: what is counted, and how all of it goes into a checkpoint and comes back."""

import warnings
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from twosome.rollout import Episode, Rollout, episode_means, merge_states, of_world
from twosome.run_files import write_json
from twosome.runs import STATE, RunDirectory
from twosome.trust import Consent, consent_needed, open_checkpoint
from twosome.versions import versions

_RATES = {"value": "critic", "temperature": "calibration"}
"""What a part of the loss is called, and whose learning rate may be too high for it; else it is the actor's."""


class RestartedEpisodesWarning(UserWarning):
    """A resumed run could not take up its episodes where they stood."""


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean; None where one is missing."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None


@dataclass
class Window:
    """The finished episodes of one environment: how many, and the latest of them."""

    num_episodes: int = 0
    recent: deque[Episode] = field(default_factory=lambda: deque(maxlen=WINDOW))


@dataclass
class RunState:
    """What a run has counted so far.

    Means over several environments count each of these as much as the others, and are none until each has finished an
    episode. Their returns may be of any scale: the best checkpoint is that with the highest success rate, and among
    those with the highest return.
    """

    windows: dict[str, Window]  # the finished episodes of each environment, by what metrics call it
    reward_scales: list[RewardScale]  # what the rewards of each are divided by, if they are
    update: int = 0  # updates made
    env_steps: int = 0  # primitive steps
    episodes_lost: int = 0  # those that ended since their environment crashed or hung
    unrewarded: int = 0  # latest decisions in whose rollouts nothing was rewarded
    best_success: float = 0.0  # of several environments, the highest mean success rate at a checkpoint
    best_return: float = -np.inf  # the highest mean return of the recent episodes there
    best_checkpoint: str | None = None  # its name
    metrics_bytes: int = 0  # length of metrics.jsonl
    model_files: dict[str, str] | None = None  # hashes of the model's files, once they are known
    own_episodes: list[OwnEpisodes] = field(default_factory=list)  # those of each that may be imitated, if any are

    @classmethod
    def of(cls, config: TrainConfig) -> "RunState":
        """Of a run that begins."""
        worlds = config.worlds
        scales, own = [RewardScale() for _ in worlds], [OwnEpisodes(share=1 / len(worlds)) for _ in worlds]
        return cls({world: Window() for world in worlds}, scales, own_episodes=own)

    @property
    def num_episodes(self) -> int:
        """Finished episodes."""
        return sum(window.num_episodes for window in self.windows.values())

    @property
    def recent(self) -> list[Episode]:
        """The latest episodes, environment by environment."""
        return [episode for window in self.windows.values() for episode in window.recent]

    def note(self, rollout: Rollout, config: TrainConfig) -> None:
        """Count for how long nothing has been rewarded, and keep what was."""
        self.unrewarded = 0 if rollout.rewards.any() else self.unrewarded + rollout.actions.size
        if config.self_imitation_steps:
            for world, own in enumerate(self.own_episodes):
                own.take_in(of_world(rollout, world, len(self.own_episodes)))

    def let_go(self, counters: Sequence[Mapping[str, Any]]) -> None:
        """Forget what went before in environments whose episode has not begun: it may have been lost by saving it."""
        num_worlds = len(self.windows)
        for i in (i for i, counter in enumerate(counters) if counter["decisions"] == 0):
            if running := self.own_episodes[i % num_worlds].running:
                running[i // num_worlds] = []
            if sums := self.reward_scales[i % num_worlds].sums:
                sums[i // num_worlds] = 0.0

    def count(self, rollout: Rollout) -> dict[str, Any]:
        """Count an update with its rollout, and say how far the run is, as metrics do."""
        self.update += 1
        self.env_steps += int(rollout.durations.sum())
        self.episodes_lost += rollout.num_lost
        windows = list(self.windows.values())
        for episode in rollout.episodes:
            windows[episode.world].num_episodes += 1
            windows[episode.world].recent.append(episode)
        return {
            "update": self.update,
            "decisions": self.update * rollout.actions.size,
            "env_steps": self.env_steps,
            "episodes": self.num_episodes,
            "episodes_lost": self.episodes_lost,
            **self._means(),
            **self._by_world(lambda window: {"episodes": window.num_episodes, **episode_means(window.recent)}),
        }

    def _means(self) -> dict[str, float | None]:
        """Means over the latest episodes, as metrics name them."""
        rows = [episode_means(window.recent) for window in self.windows.values()]
        return {name: mean_of([row[name] for row in rows]) for name in rows[0]}

    def _by_world(self, numbers_of: Callable[[Window], dict[str, Any]]) -> dict[str, Any]:
        """Numbers of each environment, as metrics name them; nothing for a single one, of which all numbers are."""
        if len(self.windows) == 1:
            return {}
        return {f"{w}/{name}": value for w, own in self.windows.items() for name, value in numbers_of(own).items()}

    def scales_by_world(self) -> dict[str, float]:
        """What rewards are divided by, as metrics name it."""
        divisors = [scale.divisor for scale in self.reward_scales]
        if len(divisors) == 1:
            return {"reward_scale": divisors[0]}
        return {f"{world}/reward_scale": divisor for world, divisor in zip(self.windows, divisors, strict=True)}

    def is_best(self, name: str) -> bool:
        """Whether a checkpoint of this name, made now, is the best so far; it is noted as such.

        It is if the latest episodes, once there are enough in each environment, say so.
        """
        if all(len(window.recent) == WINDOW for window in self.windows.values()):
            means = self._means()
            success = means["success_rate"] if len(self.windows) > 1 else 0.0
            assert success is not None
            assert means["return_mean"] is not None
            if (success, means["return_mean"]) > (self.best_success, self.best_return):
                self.best_success, self.best_return, self.best_checkpoint = success, means["return_mean"], name
        return self.best_checkpoint == name


def create_run(config: TrainConfig) -> RunDirectory:
    """The directory of a run that begins."""
    assert config.output is not None
    return RunDirectory.create(config.output, config.to_json(), versions(", ".join(config.envs)))


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
    if any(map(callables.is_callable, config.envs)):
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
    envs = merge_states(ranks.gather(parts.collector.state))
    state.let_go(envs["counters"])
    write = partial(_write, run, state, parts, envs=envs)

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
    several, scales = bool(config.more_envs), [asdict(scale) for scale in state.reward_scales]
    own = [own.state() for own in state.own_episodes]
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
            "recent": [_plain(episode, several) for episode in state.recent],
            "best_return": None if state.best_return == -np.inf else state.best_return,
            "best_checkpoint": state.best_checkpoint,
            "metrics_bytes": state.metrics_bytes,
            "rng": parts.rng.bit_generator.state,
            "worlds": envs,
            "moments": num_moments(parts.optimizers),
            "metrics_sha256": run.metrics_hash(state.metrics_bytes),
            "settings": config.to_json(),
            "model_files": state.model_files,
            **({"reward_scale": scales if several else scales[0]} if config.normalize_rewards else {}),
            **({"own_episodes": own if several else own[0]} if config.self_imitation_steps else {}),
            **(_of_several(state) if several else {}),
        },
    )


def _plain(episode: Episode, several: bool) -> dict[str, Any]:
    """An episode as plain JSON, which names the environment where there are several."""
    return {name: value for name, value in asdict(episode).items() if several or name != "world"}


def _of_several(state: RunState) -> dict[str, Any]:
    """What a checkpoint says only of several environments."""
    counts = [window.num_episodes for window in state.windows.values()]
    return {"episodes_by_world": counts, "best_success": state.best_success}


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
            for scale in state.reward_scales:
                scale.sums = []
            for own in state.own_episodes:
                own.running = []
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
            f"{_names(parts)} {why}, so its episodes begin anew: the run goes on, but not exactly as it would have "
            "without the interruption.",
            RestartedEpisodesWarning,
            stacklevel=4,
        )


def _names(parts: Parts) -> str:
    return " or ".join(parts.config.envs)


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
    counts = saved.get("episodes_by_world", [saved["num_episodes"]])
    for world, (window, count) in enumerate(zip(state.windows.values(), counts, strict=True)):
        window.num_episodes = count
        window.recent.extend(Episode(**episode) for episode in saved["recent"] if episode.get("world", 0) == world)
    state.episodes_lost = saved.get("episodes_lost", 0)
    state.unrewarded = saved.get("unrewarded", 0)
    state.best_success = saved.get("best_success", 0.0)
    state.best_return = -np.inf if saved["best_return"] is None else saved["best_return"]
    state.best_checkpoint = saved["best_checkpoint"]
    state.metrics_bytes = saved["metrics_bytes"]
    parts.rng.bit_generator.state = saved["rng"]
    if config.normalize_rewards:
        scales = saved["reward_scale"] if config.more_envs else [saved["reward_scale"]]
        state.reward_scales = [RewardScale(**scale) for scale in scales]
    if config.self_imitation_steps:
        own_episodes = saved["own_episodes"] if config.more_envs else [saved["own_episodes"]]
        for own, content in zip(state.own_episodes, own_episodes, strict=True):
            own.restore(content)
    envs: dict[str, Any] = saved["worlds"]
    return envs


def _restore_envs(folder: Path, envs: dict[str, Any], parts: Parts, fresh_seed: tuple[int, ...]) -> bool:
    try:
        return parts.collector.restore(envs, fresh_seed=fresh_seed)
    except Exception as error:  # an environment may answer with any error to a state that is not its own
        raise CheckpointError(
            f"the checkpoint {folder} is damaged: {_names(parts)} cannot go back to what its {STATE} says of the "
            f"environments: {type(error).__name__} {quote(str(error))}. Delete the folder to go on from the one before."
        ) from error
