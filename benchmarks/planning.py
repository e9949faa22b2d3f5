"""What a rollout of 1,000 environments puts through a model of 70 billion parameters: counted, and then arithmetic.

    python benchmarks/planning.py

Counted here, with random play on TomatoLettuceSalad and the tokenizer of the embedded model: distinct decisions of a
rollout of 32 steps against the number of environments, and the tokens that pass through the model when a minibatch
shares what its prompts have in common. Nothing of a large model is run: its shape goes into formulas for memory and
operations, and the speed of a device is an assumption that is named.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from twosome import Decision
from twosome.bench.document import document
from twosome.envs import text
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector
from twosome.scoring import ActionScorer
from twosome.scoring.forest import Costs, pack
from twosome.statistics import exponent

RESULT = Path(__file__).parent / "results" / "planning.json"
WORLD = "TomatoLettuceSalad"
STEPS = 32
ENVIRONMENTS = (4, 16, 64, 256, 1000)
MINIBATCHES = 4
# Of one H100's 989 TFLOP/s in bfloat16. Assumed: nothing was run on a GPU.
FLOPS, UTILIZATION = 989e12, 0.4


@dataclass(frozen=True)
class Shape:
    """A decoder as the formulas need it: Llama 3 70B's published sizes by default."""

    parameters: float = 70.6e9
    layers: int = 80
    width: int = 8192
    key_value_width: int = 1024
    inner: int = 28_672
    vocab_size: int = 128_256
    rank: int = 8

    @property
    def adapter_parameters(self) -> int:
        """LoRA on the query and value projections."""
        return self.layers * self.rank * (3 * self.width + self.key_value_width)

    def kept_bytes_per_token(self, *, checkpointing: bool) -> int:
        """Activations in bfloat16 for the backward pass: layers' inputs, or all (as in `twosome.bench.theory`)."""
        numbers = self.width if checkpointing else 10 * self.width + 4 * self.inner
        return 2 * self.layers * numbers

    def memory_gb(self, bound: int) -> dict[str, float]:
        """Gigabytes by part, with `bound` tokens in the model at once; weights in bfloat16."""
        layer = 2 * (10 * self.width + 4 * self.inner) * bound
        return {
            "weights": 2 * self.parameters / 1e9,
            "adapters, gradients, moments": 16 * self.adapter_parameters / 1e9,
            "activations, all kept": self.kept_bytes_per_token(checkpointing=False) * bound / 1e9,
            "activations, checkpointing": (self.kept_bytes_per_token(checkpointing=True) * bound + layer) / 1e9,
        }


def played(scorer: ActionScorer, num_envs: int) -> dict[str, float]:
    """Distinct decisions of a rollout by random play, and tokens of its minibatches, shared and not."""
    env = text.resolve(WORLD)
    collector = Collector(lambda: text.make(env), num_envs, 0.99, seed=1)
    rng = np.random.default_rng(1)
    rollout = collector.collect(Uniform(), STEPS, rng)
    decisions = [decision for row in rollout.decisions for decision in row]
    parts = np.split(rng.permutation(len(decisions)), MINIBATCHES)
    minibatches = [list(dict.fromkeys(decisions[i] for i in part)) for part in parts]
    distinct = set(decisions)
    return {
        "decisions": len(decisions),
        "distinct": len(distinct),
        "rollout_tokens": _tokens(scorer, list(distinct), shared=True),
        "update_decisions": sum(map(len, minibatches)),
        "update_tokens": sum(_tokens(scorer, batch, shared=True) for batch in minibatches),
        "update_tokens_alone": sum(_tokens(scorer, batch, shared=False) for batch in minibatches),
        "prompt_tokens": sum(len(scorer.encoder.prompt_ids(p)) for p in {d.prompt for d in distinct}),
    }


def _tokens(scorer: ActionScorer, decisions: list[Decision], *, shared: bool) -> int:
    tries = [trie for item in scorer._prepare(decisions)[2] for trie in item.tries]
    if not shared:
        return sum(len(trie.shared) + trie.num_nodes for trie in tries)
    # Rows as a model of this width would get them.
    costs = Costs(max_tokens=16_384, max_slots=10**6, pair=1 / (4 * Shape.width), slot=0.0)
    return sum(row.length for row in pack(tries, costs))


def main() -> None:
    """Count, compute, write, print."""
    scorer = ActionScorer.from_pretrained("hearth")
    rows = {num_envs: played(scorer, num_envs) for num_envs in ENVIRONMENTS}
    shape, last = Shape(), rows[ENVIRONMENTS[-1]]
    # Two operations for each weight and token forward, two more backward: the weights themselves get no gradient.
    operations = {
        "rollout": 2 * shape.parameters * last["rollout_tokens"],
        "critic's features": 2 * shape.parameters * last["prompt_tokens"],
        "update": 4 * shape.parameters * last["update_tokens"],
        "update, checkpointing": 6 * shape.parameters * last["update_tokens"],
    }
    command = " ".join(["python", "benchmarks/planning.py", *sys.argv[1:]])
    content = {
        "environments": {str(num_envs): row for num_envs, row in rows.items()},
        "distinct_exponent": exponent(list(rows), [row["distinct"] for row in rows.values()]),
        "token_exponent": exponent(list(rows), [row["update_tokens"] for row in rows.values()]),
        "memory_gb": {str(bound): shape.memory_gb(bound) for bound in (2048, 16_384)},
        "operations": operations,
        "device_seconds": {name: count / (FLOPS * UTILIZATION) for name, count in operations.items()},
        "utilization": UTILIZATION,
    }
    result = document(command, content)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
