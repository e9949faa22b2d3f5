"""Returns of the untrained model on the four tasks of the paper, sampled, and of uniform random choice.

``python -m hearth.evaluate FOLDER`` prints one JSON document. Returns are discounted per primitive step, as the paper
logs them. Decisions that read the same are scored once.
"""

import argparse
import json
from pathlib import Path

import gymnasium
import numpy as np
import torch

import twosome.envs  # noqa: F401  (registers the environments)
from twosome.decision import Decision
from twosome.scoring import ActionScorer
from twosome.scoring.normalize import action_log_probs

PAPER_TASKS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
UNSEEN_TASKS = ("Cheese", "Hamburger", "ApplePie", "Pizza", "WashingPlate", "Laundry")


class Sampler:
    """Choices with the probabilities of a model (word normalization), or uniformly without a model."""

    def __init__(self, scorer: ActionScorer | None, seed: int) -> None:
        self.scorer, self.rng = scorer, np.random.default_rng(seed)
        self.known: dict[Decision, np.ndarray] = {}

    def __call__(self, decision: Decision) -> int:
        """An available action id."""
        if decision not in self.known:
            self.known[decision] = self._probabilities(decision)
        return int(self.rng.choice(len(decision.actions), p=self.known[decision]))

    @torch.no_grad()
    def _probabilities(self, decision: Decision) -> np.ndarray:
        if self.scorer is None:
            available = np.array([bool(phrase) for phrase in decision.actions])
            return np.asarray(available / available.sum())
        logp = action_log_probs(self.scorer.score([decision]), "word")[0]
        chances = logp.exp().double().numpy()
        return np.asarray(chances / chances.sum())


def play(task: str, sampler: Sampler, episodes: int) -> dict[str, float]:
    """Mean discounted return with its standard error, success rate, length, number of distinct decisions."""
    env = gymnasium.make(f"twosome/{task}-v0")
    gamma, returns, successes, lengths = env.get_wrapper_attr("gamma"), [], [], []
    for episode in range(episodes):
        observation, info = env.reset(seed=episode)
        total, discount, length, over = 0.0, 1.0, 0, False
        while not over:
            action = sampler(Decision(observation["prompt"], tuple(observation["actions"])))
            observation, reward, terminated, truncated, info = env.step(action)
            total, discount = total + discount * float(reward), discount * gamma ** info["primitive_steps"]
            length, over = length + 1, terminated or truncated
        returns.append(total)
        successes.append(bool(info["success"]))
        lengths.append(length)
    return {
        "return": round(float(np.mean(returns)), 4),
        "standard_error": round(float(np.std(returns) / np.sqrt(episodes)), 4),
        "success": round(float(np.mean(successes)), 4),
        "length": round(float(np.mean(lengths)), 1),
        "decisions": len(sampler.known),
    }


def evaluate(folder: Path | None, tasks: tuple[str, ...], episodes: int) -> dict[str, dict[str, float]]:
    """`play` for each task; ``folder`` None means uniform random."""
    scorer = ActionScorer.from_pretrained(str(folder)) if folder else None
    return {task: play(task, Sampler(scorer, seed=0), episodes) for task in tasks}


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
