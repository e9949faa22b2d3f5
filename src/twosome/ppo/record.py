"""What becomes of each update's metrics: written, tracked, looked at for what is wrong, shown, handed to callbacks."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from twosome.config import TrainConfig
from twosome.ppo.environments import envs_of, gammas_of, losses_of
from twosome.progress import Progress
from twosome.rollout import Rollout, random_episodes
from twosome.runs import RunDirectory
from twosome.symptoms import SymptomMonitor, TrainingWarning, random_return
from twosome.tracking import Acted, Tracker

Metrics = dict[str, Any]
"""Of one update, as in metrics.jsonl; see docs/metrics.md."""


@dataclass(frozen=True)
class Callbacks:
    """What the caller of a run wants to hear of, and to say.

    Attributes:
        on_update: is handed the metrics of each update.
        on_checkpoint: is handed the folder of each checkpoint, once it is complete.
        stop: is handed the metrics of each update; true: the run is to end here, with a checkpoint.
        progress: show how far the run is, in a terminal or a notebook.
    """

    on_update: Callable[[Metrics], object] | None = None
    on_checkpoint: Callable[[Path], object] | None = None
    stop: Callable[[Metrics], bool] | None = None
    progress: bool = False

    def checkpoint(self, folder: Path) -> None:
        """Tell of a checkpoint."""
        if self.on_checkpoint is not None:
            self.on_checkpoint(folder)


class Record:
    """Takes in each update of a run; a context manager, in the process that writes.

    Args:
        run: where to.
        config: the settings.
        update: updates made so far.
        callbacks: of the caller.
    """

    def __init__(self, run: RunDirectory, config: TrainConfig, update: int, callbacks: Callbacks) -> None:
        self._run = run
        self._config = config
        self._update = update
        self._callbacks = callbacks
        self._open = ExitStack()
        self._monitor = SymptomMonitor(config.normalization)

    def __enter__(self) -> "Record":
        for row in self._run.read_metrics():
            self._monitor.see(row)
        with ExitStack() as opened:
            self._tracker = opened.enter_context(Tracker(self._run.path, self._config, self._update))
            quiet = not self._callbacks.progress
            self._display = opened.enter_context(Progress(self._config, quiet=quiet, unwatched=False))
            self._open = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, traceback)

    def update(self, metrics: Metrics, rollout: Rollout) -> tuple[int, bool]:
        """Take in an update, and what was done in it.

        Returns:
            Length of the file of metrics, and whether the caller wants the run to end.
        """
        metrics |= self._random_return(self._monitor.random_decisions_wanted(metrics))
        if found := self._monitor.see(metrics):
            metrics["warnings"] = [symptom.code for symptom in found]
        num_bytes = self._run.append_metrics(metrics)
        self._tracker.log(metrics)
        self._tracker.log_acted(metrics["decisions"], acted(rollout))
        for symptom in found:
            warnings.warn(str(symptom), TrainingWarning, stacklevel=2)
        self._display.update(metrics)
        if self._callbacks.on_update is not None:
            self._callbacks.on_update(metrics)
        return num_bytes, self._callbacks.stop is not None and bool(self._callbacks.stop(metrics))

    def _random_return(self, decisions: int) -> Metrics:
        """What random play earns in so many decisions, if any, as metrics name it: in environments of its own."""
        if not decisions:
            return {}
        config = self._config
        share = decisions // len(config.envs)
        returns = []
        for env, gamma in zip(envs_of(config), gammas_of(config), strict=True):
            played = random_episodes(env.source(), gamma, config.seed, share, losses_of(config, (env.name,)))
            returns.append([episode.discounted_return for episode in played])
        return random_return(*returns)


def acted(rollout: Rollout) -> Acted:
    """How the policy acted; as an episode, what there is of the latest that has ended in the first environment."""
    done = rollout.terminated[:, 0] | rollout.truncated[:, 0]
    ends = [-1, *np.flatnonzero(done).tolist()]
    start, stop = (ends[-2], ends[-1]) if len(ends) > 1 else (-1, len(done) - 1)
    episode = [
        (
            rollout.decisions[t][0].prompt,
            rollout.decisions[t][0].actions[rollout.actions[t, 0]],
            float(np.exp(rollout.logp[t, 0])),
            float(rollout.rewards[t, 0]),
        )
        for t in range(start + 1, stop + 1)
    ]
    return Acted(rollout.actions.flatten(), np.exp(rollout.logp.flatten().astype(np.float64)), episode)


class Clock:
    """Seconds spent in each phase of an update."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Measure a phase, by the name that it has in the metrics."""
        start = time.perf_counter()
        yield
        self.seconds[phase] = time.perf_counter() - start
