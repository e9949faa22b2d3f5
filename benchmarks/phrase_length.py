"""How much an untrained model's policy depends on the length of phrases, under each normalization.

    python -m benchmarks.phrase_length
    python -m benchmarks.phrase_length --model ./my-model

Random play with a seed visits each environment; the distinct decisions that it meets are scored once. A phrase's
probability is compared with an equal share, 1 / (number of offered actions), so that 1 means: no preference. Beside it
stands how often the planner does something of that length in the same states, also in equal shares: what a good policy
would prefer. Writes benchmarks/results/phrase-length.json.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.pages.files import WORLDS, write
from twosome.decision import Decision
from twosome.envs import planner_for, text
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.report.numbers import Number
from twosome.scoring import ActionScorer, Normalization
from twosome.statistics import rank_correlation

MOMENTS = 5_000
SEED = 0
NORMALIZATIONS: tuple[Normalization, ...] = ("none", "token", "word", "byte", "pmi")


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
            found.append(rank_correlation(words, values))
    return float(np.mean(found))


def flatness(decisions: dict[Decision, set[int]], policies: list[NDArray[np.float64]]) -> float:
    """Mean over decisions of the entropy as a part of the greatest possible: 1 is uniform, 0 certain."""
    found = []
    for decision, policy in zip(decisions, policies, strict=True):
        likely = policy[policy > 0]
        found.append(-(likely * np.log(likely)).sum() / np.log(len(decision.available)))
    return float(np.mean(found))


def measure(world: str, scorer: ActionScorer) -> Iterator[Number]:
    """Every normalization in one environment, and the planner."""
    decisions = visit(world)
    yield Number("decisions", world, mean=len(decisions))
    policies = {name: LanguageModelPolicy(scorer, name).probabilities(list(decisions)) for name in NORMALIZATIONS}
    for name, rows in [*policies.items(), ("planner", planned(decisions))]:
        yield Number("correlation with length", world, name, mean=correlation(decisions, rows), n=len(decisions))
        yield Number("share of entropy", world, name, mean=flatness(decisions, rows), n=len(decisions))
        for words, share in shares(decisions, rows).items():
            yield Number(f"probability of {words} words, in equal shares", world, name, mean=share)


def main() -> None:
    """Visit, score, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="hearth")
    options = parser.parse_args()
    torch.set_num_threads(1)
    scorer = ActionScorer.from_pretrained(options.model)
    numbers = [number for world in WORLDS for number in measure(world, scorer)]
    print(*numbers, sep="\n")
    if options.model == "hearth":  # the page is about the model that ships
        write("phrase-length", numbers)


if __name__ == "__main__":
    main()
