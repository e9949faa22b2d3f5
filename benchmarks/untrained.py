"""What `hearth` does in the four tasks before any training: drawn and greedy, with and without normalization.

    python benchmarks/untrained.py

Writes benchmarks/results/untrained.json. A few minutes.
"""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import Any

from learning import EPISODES, twosome, write_result
from tables import WORLDS

from twosome.bench.document import document


def measure(world: str, normalization: str, played: str) -> dict[str, Any]:
    """Play fresh episodes."""
    words = ["--model", "hearth", "--env", world, "--normalization", normalization, "--episodes", str(EPISODES)]
    found = twosome("eval", *words, "--seed", "10000", *(["--greedy"] if played == "greedy" else []))
    kept = {name: found[name] for name in ("return_mean", "return_ci95", "success_rate")}
    return {"world": world, "normalization": normalization, "played": played, **kept}


def main() -> None:
    """Measure, write, print."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    ways = list(product(WORLDS, ("word", "none"), ("drawn", "greedy")))
    with ThreadPoolExecutor(2) as pool:
        rows = list(pool.map(lambda way: measure(*way), ways))
    content = document("python benchmarks/untrained.py", {"episodes": EPISODES, "rows": rows})
    for row in rows:
        print(row, file=sys.stderr)
    write_result("untrained", content, whole=True)


if __name__ == "__main__":
    main()
