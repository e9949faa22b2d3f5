"""CPU seconds and time to the first character of commands that need no model, beside an empty Python.

    python benchmarks/startup.py

Writes benchmarks/results/startup.json. The best of five starts each: what else the machine does only adds.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twosome.versions import hardware, versions

COMMANDS = (
    "--version",
    "--help",
    "train --help",
    "eval --help",
    "score --help",
    "trian",
    "train --lerning-rate 1",
    "train --env TomatoSald",
    "train --model ./no-such-model",
    "eval no-such-run",
)
STARTS = 5


def measured(words: list[str], folder: str) -> tuple[float, float]:
    """CPU seconds, and seconds until the first character."""
    before, start = cpu_of_children(), time.perf_counter()
    process = subprocess.Popen(words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    process.stdout.read(1)
    first = time.perf_counter() - start
    process.communicate()
    return cpu_of_children() - before, first


def cpu_of_children() -> float:
    """CPU seconds of all processes that have been started and ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def best(words: list[str]) -> dict[str, Any]:
    """The least of several starts."""
    with tempfile.TemporaryDirectory() as folder:
        cpu, first = zip(*(measured(words, folder) for _ in range(STARTS)), strict=True)
    return {"cpu_s": round(min(cpu), 3), "first_character_s": round(min(first), 3)}


def main() -> None:
    """Measure, write, print."""
    rows = {"python -c pass": best([sys.executable, "-c", "pass"])}
    rows |= {f"twosome {c}": best([sys.executable, "-m", "twosome", *c.split()]) for c in COMMANDS}
    for row in rows.values():
        row["cpu_against_python"] = round(row["cpu_s"] / rows["python -c pass"]["cpu_s"], 1)
    result = {"command": "python benchmarks/startup.py", "rows": rows, "hardware": hardware(), "versions": versions()}
    path = Path(__file__).parent / "results" / "startup.json"
    path.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in rows.items():
        print(f"{name:<40} {row['cpu_s']:.2f} s CPU  {row['first_character_s']:.2f} s to the first character")


if __name__ == "__main__":
    main()
