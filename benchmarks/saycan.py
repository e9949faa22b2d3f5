"""SayCan with the untrained model, seeds 1 to 5; its affordance learns from as many decisions as the others train with.

    python benchmarks/saycan.py                          # after benchmarks/ppo_mlp.py, whose settings it takes
    python benchmarks/saycan.py --normalization none
    python benchmarks/saycan.py --worlds FoodPreparation --budget 2560   # quick

The affordance learns from random play, or from PPO from scratch while that learns; actions are drawn, or the best is
taken. All four are measured. Writes benchmarks/results/saycan.json, or saycan-none.json.
"""

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from functools import cache, partial
from typing import Any, get_args

import torch
from learning import EPISODES, SEEDS, write_result
from tables import RESULTS, with_normalization

from twosome.baselines.config import MlpConfig
from twosome.baselines.ppo_mlp import train_mlp
from twosome.baselines.saycan import Affordance, Experience, SayCan, random_experience
from twosome.bench.document import document
from twosome.envs import text
from twosome.evaluate.success import evaluate
from twosome.policy.actor import Actor
from twosome.scoring import ActionScorer, Normalization


def run(config: MlpConfig, normalization: Normalization) -> dict[str, Any]:
    """Every variant of SayCan for one world and seed."""
    torch.set_num_threads(1)
    env, gamma = config.env, text.gamma_of(config.env, {})
    met = Experience(gamma)
    train_mlp(config, lambda _, rollout: met.add(rollout))
    measured: dict[str, Any] = {"seed": config.seed}
    for source, experience in (("random", random_experience(env, config.total_steps, config.seed)), ("ppo", met)):
        affordance = Affordance(env, seed=config.seed)
        affordance.fit(experience)
        for greedy in (False, True):
            policy = SayCan(_model(normalization), affordance)
            summary = evaluate(policy, env, gamma=gamma, greedy=greedy, episodes=EPISODES, seed=10_000).summary()
            kept = ("return_mean", "return_ci95", "success_rate", "length_mean")
            measured[f"{source}, {'greedy' if greedy else 'drawn'}"] = {name: summary[name] for name in kept}
    return measured


@cache
def _model(normalization: Normalization) -> Actor:
    return Actor(ActionScorer.from_pretrained("hearth"), normalization)


def main() -> None:
    """Learn affordances, measure, write."""
    tuned = json.loads((RESULTS / "ppo-mlp.json").read_text())["worlds"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", nargs="+", default=list(tuned), choices=list(tuned))
    parser.add_argument("--budget", type=int, default=None, help="decisions; by default those of the default preset")
    parser.add_argument("--parallel", type=int, default=2, help="runs side by side")
    parser.add_argument("--normalization", default="word", choices=get_args(Normalization))
    options = parser.parse_args()
    configs = {env: MlpConfig(**tuned[env]["config"]) for env in options.worlds}
    if options.budget is not None:
        configs = {env: replace(config, total_steps=options.budget) for env, config in configs.items()}
    with ProcessPoolExecutor(options.parallel) as pool:
        learn = partial(run, normalization=options.normalization)
        worlds = {
            env: list(pool.map(learn, [replace(config, seed=seed) for seed in SEEDS]))
            for env, config in configs.items()
        }
    command = " ".join(["python", "benchmarks/saycan.py", *sys.argv[1:]])
    content = {
        "episodes": EPISODES,
        "configs": {env: asdict(config) for env, config in configs.items()},
        "worlds": worlds,
    }
    result = document(command, content)
    for env, seeds in worlds.items():
        for seed in seeds:
            returns = {name: round(row["return_mean"], 3) for name, row in seed.items() if name != "seed"}
            print(env, seed["seed"], returns)
    name = with_normalization("saycan", options.normalization)
    write_result(name, result, whole=options.budget is None and set(options.worlds) == set(tuned))


if __name__ == "__main__":
    main()
