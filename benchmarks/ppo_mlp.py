"""Train PPO from scratch on the symbolic observation, seeds 1 to 5, with the budget that the language model had.

    python benchmarks/ppo_mlp.py
    python benchmarks/ppo_mlp.py --worlds FoodPreparation --budget 2560   # quick

Each world is tuned first: every combination of LEARNING_RATES and EPOCHS on seeds of its own, the best mean return
over the whole of training wins. Writes benchmarks/results/ppo-mlp.json; what that file has already, with the same
settings, is not done again.
"""

import argparse
import itertools
import json
import statistics
import sys
from collections import deque
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from learning import EPISODES, SEEDS, write_result
from tables import RESULTS

from twosome.baselines import Planner
from twosome.baselines.config import MlpConfig
from twosome.baselines.ppo_mlp import MlpPolicy, train_mlp
from twosome.bench.document import document
from twosome.config import TrainConfig
from twosome.content import WINDOW
from twosome.envs import text
from twosome.evaluate.success import evaluate
from twosome.report.curve import decisions_to
from twosome.rollout import Episode, Rollout

WORLDS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
LEARNING_RATES, EPOCHS = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2), (1, 4, 8)
GRID = ("learning_rate", "epochs")
TUNING_SEEDS = (101, 102)
RESULT = RESULTS / "ppo-mlp.json"


def learn(config: MlpConfig) -> tuple[MlpPolicy, list[list[float | None]]]:
    """Train; the policy, and after each update decisions, mean return and success of the last episodes."""
    torch.set_num_threads(1)
    recent: deque[Episode] = deque(maxlen=WINDOW)
    curve: list[list[float | None]] = []

    def report(decisions: int, rollout: Rollout) -> None:
        recent.extend(rollout.episodes)
        mean = float(np.mean([episode.discounted_return for episode in recent])) if recent else None
        rate = float(np.mean([episode.success for episode in recent])) if recent else None
        curve.append([decisions, mean, rate])

    return train_mlp(config, report), curve


def score(config: MlpConfig) -> float:
    """How good settings are: the mean return over the whole of training."""
    _, curve = learn(config)
    return float(np.mean([mean for _, mean, _ in curve if mean is not None]))


def run(config: MlpConfig) -> dict[str, Any]:
    """Train, and measure the final policy over fresh episodes."""
    policy, curve = learn(config)
    gamma = text.gamma_of(config.env, {})
    summary = evaluate(policy, config.env, gamma=gamma, episodes=EPISODES, seed=10_000).summary()
    return {
        "seed": config.seed,
        "decisions": curve[-1][0],
        **{name: summary[name] for name in ("return_mean", "return_ci95", "success_rate", "length_mean")},
        "curve": curve,
    }


def measure(env: str, budget: int | None, pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Tune on other seeds, then train the five."""
    base = MlpConfig(env, budget or TrainConfig(env=env).total_steps)
    before = _measured_before(base)
    known = {tuple(row[name] for name in GRID): row["mean_over_training"] for row in before.get("tuning", [])}
    pairs = list(itertools.product(LEARNING_RATES, EPOCHS))
    missing = [pair for pair in pairs if pair not in known]
    trials = [replace(base, seed=s, learning_rate=lr, epochs=n) for lr, n in missing for s in TUNING_SEEDS]
    scores = pool.map(score, trials)
    known |= {pair: statistics.mean(itertools.islice(scores, len(TUNING_SEEDS))) for pair in missing}
    tried = [{**dict(zip(GRID, pair, strict=True)), "mean_over_training": known[pair]} for pair in pairs]
    learning_rate, epochs = max(pairs, key=lambda pair: known[pair])
    config = replace(base, learning_rate=learning_rate, epochs=epochs)
    if before.get("config") == asdict(config):
        return {**before, "tuning": tried}
    optimum = evaluate(Planner(), env, gamma=text.gamma_of(env, {}), episodes=1).summary()["return_mean"]
    seeds = list(pool.map(run, [replace(config, seed=seed) for seed in SEEDS]))
    for seed in seeds:
        seed["decisions_to_90_percent"] = decisions_to([row[:2] for row in seed["curve"]], 0.9 * optimum)
        seed["curve"] = seed["curve"][:: max(1, len(seed["curve"]) // 100)]
    return {"optimum": optimum, "tuning": tried, "config": asdict(config), "seeds": seeds}


def _measured_before(base: MlpConfig) -> dict[str, Any]:
    """What the result file says of a world; nothing if it was measured with other settings than those of the grid."""
    if not RESULT.exists():
        return {}
    found: dict[str, Any] = json.loads(RESULT.read_text())["worlds"].get(base.env, {})
    config = found.get("config", {})
    same = {name for name, value in asdict(base).items() if config.get(name) == value}
    return found if same | set(GRID) >= set(config) else {}


def main() -> None:
    """Tune, train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=WORLDS, choices=WORLDS)
    parser.add_argument("--budget", type=int, default=None, help="decisions; by default those of the default preset")
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    options = parser.parse_args()
    with ProcessPoolExecutor(options.parallel) as pool:
        worlds = {env: measure(env, options.budget, pool) for env in options.worlds}
    command = " ".join(["python", "benchmarks/ppo_mlp.py", *sys.argv[1:]])
    content = {
        "episodes": EPISODES,
        "worlds": worlds,
    }
    result = document(command, content)
    for env, world in worlds.items():
        print(env, {name: world["config"][name] for name in GRID})
        for seed in world["seeds"]:
            shown = ("seed", "return_mean", "success_rate", "decisions_to_90_percent")
            print("  ", {name: seed[name] for name in shown})
    write_result("ppo-mlp", result, whole=options.budget is None and set(options.worlds) == set(WORLDS))


if __name__ == "__main__":
    main()
