"""Every benchmark of speed in turn, then the tables and pictures made from the results.

    python benchmarks/speed.py                     # more than half an hour on two cores that do nothing else
    python benchmarks/speed.py growth worlds       # these parts alone, such as those that an interruption left

Each part writes its result file when it is done. Says what it is doing.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).parent
PARTS = ("scoring", "iteration", "growth", "worlds")


def run(script: str, *options: str) -> None:
    """One script, its words shown as they come."""
    began = time.perf_counter()
    print(f"== {script} ==", flush=True)
    command = [sys.executable, "-W", "ignore", str(FOLDER / f"{script}.py"), *options]
    if script == "worlds":
        output = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout
        (FOLDER / "results" / "worlds.json").write_text(output)
    else:
        subprocess.run(command, check=True)
    print(f"== {script} done in {time.perf_counter() - began:.0f} s ==", flush=True)


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # No choices=, which would refuse the empty list that stands for all of them.
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--fresh", action="store_true", help="also measure the cells of scoring that are there")
    options = parser.parse_args()
    parts = options.parts or PARTS
    unknown = [part for part in parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    for script in (*parts, "speed_pictures", "tables"):
        run(script, *(["--fresh"] if script == "scoring" and options.fresh else []))


if __name__ == "__main__":
    main()
