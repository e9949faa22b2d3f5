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
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

import twosome.envs  # noqa: F401  (registers the environments)
from twosome.decision import Decision

PAPER_TASKS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
UNSEEN_TASKS = ("Cheese", "Hamburger", "ApplePie", "Pizza", "WashingPlate", "Laundry")


class Sampler:
    """Choices with the probabilities of a model (word normalization), or uniformly without a model."""

    def __init__(self, model: LlamaForCausalLM | None, tokenizer: PreTrainedTokenizerBase | None, seed: int) -> None:
        self.model, self.tokenizer, self.rng = model, tokenizer, np.random.default_rng(seed)
        self.known: dict[Decision, np.ndarray] = {}

    def __call__(self, decision: Decision) -> int:
        """An available action id."""
        if decision not in self.known:
            self.known[decision] = self._probabilities(decision)
        return int(self.rng.choice(len(decision.actions), p=self.known[decision]))

    @torch.no_grad()
    def _probabilities(self, decision: Decision) -> np.ndarray:
        out = np.zeros(len(decision.actions))
        ids = list(decision.available)
        if self.model is None:
            out[ids] = 1 / len(ids)
            return out
        start = len(self.tokenizer(decision.prompt)["input_ids"])
        scores = []
        for i in ids:
            row = self.tokenizer(decision.prompt + " " + decision.actions[i])["input_ids"]
            logp = self.model(input_ids=torch.tensor([row])).logits[0].log_softmax(-1)
            total = logp[torch.arange(start - 1, len(row) - 1), row[start:]].sum().item()
            scores.append(total / len(decision.actions[i].split()))
        out[ids] = np.exp(np.asarray(scores) - max(scores))
        return out / out.sum()


def play(task: str, sampler: Sampler, episodes: int) -> dict[str, float]:
    """Mean discounted return with its standard error, success rate, length, number of distinct decisions."""
    env = gymnasium.make(f"twosome/{task}-v0")
    gamma, returns, successes, lengths = env.unwrapped.gamma, [], [], []
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
    model = LlamaForCausalLM.from_pretrained(folder).eval() if folder else None
    tokenizer = AutoTokenizer.from_pretrained(folder) if folder else None
    return {task: play(task, Sampler(model, tokenizer, seed=0), episodes) for task in tasks}


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
