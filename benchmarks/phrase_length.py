"""How much an untrained model's policy depends on the length of phrases, under each normalization.

    python benchmarks/phrase_length.py
    python benchmarks/phrase_length.py --model ./my-model

Random play with a seed visits each world; the distinct decisions that it meets are scored once. A phrase's probability
is compared with an equal share, 1 / (number of offered actions), so that 1 means: no preference. Beside it stands how
often the planner does something of that length in the same states, also in equal shares: what a good policy would
prefer. Writes benchmarks/results/phrase-length.json and docs/images/phrase-length.png.
"""

import argparse
import json
import sys
from collections import defaultdict
from typing import Any, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from speed_pictures import figure_of
from tables import IMAGES, RESULTS, WORLDS

from twosome.bench.document import document
from twosome.decision import Decision
from twosome.envs import planner_for, text
from twosome.policy.actor import Actor
from twosome.scoring import ActionScorer, Normalization

MOMENTS = 5_000
SEED = 0
RESULT = RESULTS / "phrase-length.json"
COLORS = ("#8a8a8a", "#d55e00", "#0072b2", "#009e73", "#cc79a7")


def visit(world: str) -> dict[Decision, set[int]]:
    """Distinct decisions with a choice that random play meets, each with what the planner would do there."""
    env, rng = text.make(world), np.random.default_rng(SEED)
    found = defaultdict[Decision, set[int]](set)
    observation, _ = env.reset(seed=SEED)
    for _ in range(MOMENTS):
        decision = text.decision_from(observation)
        if len(decision.available) > 1:
            found[decision].add(planner_for(env).act())
        observation, _, terminated, truncated, _ = env.step(int(rng.choice(decision.available)))
        if terminated or truncated:
            observation, _ = env.reset()
    env.close()
    return dict(found)


def shares(decisions: dict[Decision, set[int]], policies: list[NDArray[np.float64]]) -> dict[str, float]:
    """By number of words: the mean of a phrase's probability, in equal shares."""
    found = defaultdict[int, list[float]](list)
    for decision, policy in zip(decisions, policies, strict=True):
        for action in decision.available:
            found[len(decision.actions[action].split())].append(policy[action] * len(decision.available))
    return {str(words): float(np.mean(values)) for words, values in sorted(found.items())}


def planned(decisions: dict[Decision, set[int]]) -> list[NDArray[np.float64]]:
    """The planner as a policy; where one prompt stands for several states, each of its answers has a part."""
    rows = []
    for decision, answers in decisions.items():
        known = [action for action in answers if decision.actions[action]]
        row = np.zeros(len(decision.actions))
        row[known] = 1 / max(1, len(known))
        rows.append(row)
    return rows


def correlation(decisions: dict[Decision, set[int]], policies: list[NDArray[np.float64]]) -> float:
    """Mean over decisions of the rank correlation between number of words and probability, where both vary."""
    found = []
    for decision, policy in zip(decisions, policies, strict=True):
        words = np.array([len(decision.actions[a].split()) for a in decision.available])
        values = policy[list(decision.available)]
        if len(set(words)) > 1 and np.ptp(values) > 0:
            found.append(np.corrcoef(_ranks(words), _ranks(values))[0, 1])
    return float(np.mean(found))


def flatness(decisions: dict[Decision, set[int]], policies: list[NDArray[np.float64]]) -> float:
    """Mean over decisions of the entropy as a part of the greatest possible: 1 is uniform, 0 certain."""
    found = []
    for decision, policy in zip(decisions, policies, strict=True):
        likely = policy[policy > 0]
        found.append(-(likely * np.log(likely)).sum() / np.log(len(decision.available)))
    return float(np.mean(found))


def _summary(decisions: dict[Decision, set[int]], policies: list[NDArray[np.float64]]) -> dict[str, Any]:
    return {
        "shares": shares(decisions, policies),
        "correlation": correlation(decisions, policies),
        "flatness": flatness(decisions, policies),
    }


def _ranks(values: NDArray[Any]) -> NDArray[np.float64]:
    """Ranks, equal values sharing their mean."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def measure(world: str, scorer: ActionScorer) -> dict[str, Any]:
    """Every normalization in one world."""
    decisions = visit(world)
    rows = {}
    for normalization in get_args(Normalization):
        policies = Actor(scorer, normalization).probabilities(list(decisions))
        rows[normalization] = _summary(decisions, policies)
    rows["planner"] = _summary(decisions, planned(decisions))
    return {"decisions": len(decisions), "policies": rows}


def draw(worlds: dict[str, Any]) -> None:
    """A panel for each world: shares against words."""
    figure, panels = figure_of(len(worlds), height=3.8)
    for panel, (world, found) in zip(panels, worlds.items(), strict=True):
        panel.axhline(1, color="#222222", linewidth=0.8)
        for color, (name, row) in zip((*COLORS, "#222222"), found["policies"].items(), strict=True):
            x, y = [int(words) for words in row["shares"]], list(row["shares"].values())
            panel.plot(x, y, color=color, linestyle=":" if name == "planner" else "-", marker="o", ms=3, label=name)
        panel.set(title=world, xlabel="words of a phrase", xticks=x)
        panel.set_yscale("symlog", linthresh=1, linscale=1)
        panel.set_yticks([0, 0.5, 1, 2, 4, 8], ["0", "0.5", "1", "2", "4", "8"])
        panel.set_ylim(0, 10)
    panels[0].set_ylabel("probability, in equal shares")
    panels[-1].legend(frameon=False, fontsize=8)
    figure.savefig(IMAGES / "phrase-length.png")


def main() -> None:
    """Visit, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hearth")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scorer = ActionScorer.from_pretrained(options.model)
    worlds = {world: measure(world, scorer) for world in WORLDS}
    for world, found in worlds.items():
        for name, row in found["policies"].items():
            told = "  ".join(f"{words}: {share:.2f}" for words, share in row["shares"].items())
            print(f"{world:20} {name:8} {row['correlation']:+.2f} {row['flatness']:.2f}   {told}")
    if options.model == "hearth":  # the page is about the model that ships
        command = " ".join(["python", "benchmarks/phrase_length.py", *sys.argv[1:]])
        RESULT.write_text(json.dumps(document(command, {"model": options.model, "worlds": worlds}), indent=1) + "\n")
        draw(worlds)


if __name__ == "__main__":
    main()
