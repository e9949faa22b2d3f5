"""A run of a baseline in a run directory like any other: `python -m twosome.experiment.baseline FOLDER SETTINGS`.

Baselines learn quickly what can be learned again, and it is not kept: there are no checkpoints, a run that was
interrupted begins anew, and who plays in the end is measured here.
"""

import json
import shutil
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from twosome.baselines.config import BaselineConfig
from twosome.checkpoint_schema import WINDOW
from twosome.envs import text
from twosome.errors import TwosomeError
from twosome.evaluate.evaluator import Evaluator
from twosome.experiment.kind import BASELINES
from twosome.experiment.settings import recorded
from twosome.rollout import Episode, Rollout, episode_means
from twosome.run_files import explain_write_errors, write_json
from twosome.runs import EVALUATION, RunDirectory
from twosome.trust import Consent, grant
from twosome.versions import hardware, versions


def learn_and_measure(path: Path, config: BaselineConfig, episodes: int, seed: int) -> None:
    """Learn, and measure over fresh episodes; what an interrupted run left is removed first."""
    if path.exists():
        shutil.rmtree(path)
    gamma = text.gamma_of(config.env, {})
    settings = recorded(config)
    run = RunDirectory.create(path, {**settings, "gamma": gamma}, versions(config.env))
    with run.locked():
        baseline = BASELINES.find(settings["kind"])
        policy = baseline.learn(config, Recorder(run))
        identity = {"policy": settings["kind"], "config": asdict(config)}
        greedy = bool(getattr(config, "greedy", False))
        around = None if baseline.around is None else partial(baseline.around, config)
        evaluator = Evaluator(settings["kind"], policy, config.env, {}, identity, greedy, around)
        document = evaluator.measure(episodes, seed)
        with explain_write_errors(path):
            write_json(path / EVALUATION, {**document, "hardware": hardware()})


class Recorder:
    """Writes the metrics of each update, with the names that `twosome train` gives them."""

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._recent: deque[Episode] = deque(maxlen=WINDOW)
        self._counts = {"update": 0, "env_steps": 0, "episodes": 0}
        self._began = time.perf_counter()

    def __call__(self, decisions: int, rollout: Rollout, **numbers: float) -> None:
        """Take in an update, with numbers that only this baseline has."""
        self._recent.extend(rollout.episodes)
        self._counts["update"] += 1
        self._counts["env_steps"] += int(rollout.durations.sum())
        self._counts["episodes"] += len(rollout.episodes)
        now = time.perf_counter()
        row = {**self._counts, "decisions": decisions, **episode_means(self._recent), **numbers}
        self._run.append_metrics({**row, "update_s": now - self._began})
        self._began = now

    def summary(self, decisions: int, episodes: int) -> None:
        """Write one row, without a return: nobody has played yet."""
        seconds = time.perf_counter() - self._began
        row = {"update": 1, "episodes": episodes, "decisions": decisions, **episode_means([])}
        self._run.append_metrics({**row, "update_s": seconds})


def main(arguments: Sequence[str]) -> int:
    """Parse, learn, measure."""
    folder, settings = arguments
    content: dict[str, Any] = json.loads(settings)
    grant(Consent(trust_env_module=content["trust_env_module"]))
    try:
        config = BASELINES.find(content["kind"]).config(**content["config"])
        learn_and_measure(Path(folder), config, **content["evaluation"])
    except TwosomeError as error:
        sys.stderr.write(f"twosome: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
