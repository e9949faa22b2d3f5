"""A run of PPO from scratch in a run directory like any other: `python -m twosome.experiment.mlp FOLDER SETTINGS`.

Its networks are small and quickly trained again, and are not kept: there are no checkpoints, a run that was
interrupted begins anew, and the final policy is measured here.
"""

import json
import shutil
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from twosome.baselines.mlp_config import MlpConfig
from twosome.baselines.ppo_mlp import MlpPolicy, train_mlp
from twosome.envs import text
from twosome.errors import TwosomeError
from twosome.evaluate.subject import Subject
from twosome.experiment.settings import recorded
from twosome.ppo.train import WINDOW
from twosome.rollout import Episode, Rollout, episode_means
from twosome.runs import EVALUATION, RunDirectory, write_json
from twosome.versions import hardware, versions


def train_and_measure(path: Path, config: MlpConfig, episodes: int, seed: int) -> None:
    """Train, and measure the final policy over fresh episodes; what an interrupted run left is removed first."""
    if path.exists():
        shutil.rmtree(path)
    gamma = text.gamma_of(config.env, {})
    run = RunDirectory.create(path, {**recorded(config), "gamma": gamma}, versions(config.env))
    with run.locked():
        policy = train_mlp(config, Recorder(run))
        document = _subject(policy, config).measure(episodes, seed)
        write_json(path / EVALUATION, {**document, "hardware": hardware()})


class Recorder:
    """Writes the metrics of each update, with the names that `twosome train` gives them."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._recent: deque[Episode] = deque(maxlen=WINDOW)
        self._counts = {"update": 0, "env_steps": 0, "episodes": 0}
        self._began = time.perf_counter()

    def __call__(self, decisions: int, rollout: Rollout) -> None:
        """Take in an update."""
        self._recent.extend(rollout.episodes)
        self._counts["update"] += 1
        self._counts["env_steps"] += int(rollout.durations.sum())
        self._counts["episodes"] += len(rollout.episodes)
        now = time.perf_counter()
        self._run.append_metrics(
            {**self._counts, "decisions": decisions, **episode_means(self._recent), "update_s": now - self._began}
        )
        self._began = now


def _subject(policy: MlpPolicy, config: MlpConfig) -> Subject:
    return Subject("PPO from scratch", policy, config.env, {}, {"policy": "ppo-mlp", "config": asdict(config)})


def main(arguments: Sequence[str]) -> int:
    """Parse, train, measure."""
    folder, settings = arguments
    content: dict[str, Any] = json.loads(settings)
    try:
        train_and_measure(Path(folder), MlpConfig(**content["config"]), **content["evaluation"])
    except TwosomeError as error:
        sys.stderr.write(f"twosome: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
