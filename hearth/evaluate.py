"""Returns of the untrained model on the four tasks of the paper, sampled, and of uniform random choice.

``python -m hearth.evaluate FOLDER`` prints one JSON document. Returns are discounted per primitive step, as the paper
logs them. Decisions that read the same are scored once.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from twosome.play import play
from twosome.policy.base import Policy
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.uniform import Uniform
from twosome.scoring import ActionScorer

PAPER_TASKS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
UNSEEN_TASKS = ("Cheese", "Hamburger", "ApplePie", "Pizza", "WashingPlate", "Laundry")


def measure(task: str, policy: Policy, episodes: int) -> dict[str, float]:
    """Mean discounted return with its standard error, success rate, length, number of distinct decisions."""
    steps = list(play(policy, task, range(episodes), rng=np.random.default_rng(0)))
    ended = [step.episode for step in steps if step.episode is not None]
    returns = [episode.discounted_return for episode in ended]
    return {
        "return": round(float(np.mean(returns)), 4),
        "standard_error": round(float(np.std(returns) / np.sqrt(episodes)), 4),
        "success": round(float(np.mean([episode.success for episode in ended])), 4),
        "length": round(float(np.mean([episode.decisions for episode in ended])), 1),
        "decisions": len({step.decision for step in steps}),
    }


def evaluate(folder: Path | None, tasks: tuple[str, ...], episodes: int) -> dict[str, dict[str, float]]:
    """`measure` for each task; ``folder`` None means uniform random."""
    policy = LanguageModelPolicy(ActionScorer.from_pretrained(str(folder)), "word") if folder else Uniform()
    return {task: measure(task, policy, episodes) for task in tasks}


def main() -> None:
    """Evaluate one folder and, with ``--random``, uniform choice as well."""
    parser = argparse.ArgumentParser(prog="python -m hearth.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--episodes", type=int, default=300)
    parser.add_argument("--unseen", action="store_true", help="the six unseen tasks as well")
    parser.add_argument("--random", action="store_true", help="uniform random choice as well")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tasks = PAPER_TASKS + (UNSEEN_TASKS if args.unseen else ())
    report = {"untrained": evaluate(args.folder, tasks, args.episodes)}
    if args.random:
        report["random"] = evaluate(None, tasks, args.episodes)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
