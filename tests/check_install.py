"""Install the wheel into bare environments, without constraints.txt, and run what a newcomer runs first.

    python3.12 tests/check_install.py newest oldest

The interpreter that runs this file is the one that is checked; it needs nothing but pip. `newest` takes the newest
version of everything, `oldest` the oldest that pyproject.toml allows of what it names. `TORCH` says which PyTorch
`newest` takes, as pip writes it: TORCH=torch is the newest, gigabytes of CUDA libraries included.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROMPT = "You want to boil an egg. You stand at the stove. Now you"
SHOW_VERSIONS = """
import importlib.metadata, sys
installed = {package.name.lower(): package.version for package in importlib.metadata.distributions()}
print(", ".join(f"{name} {installed[name]}" for name in sys.argv[1:] if name in installed))
"""


def run(*command: str, cwd: Path, quiet: bool = False) -> str:
    """Standard output of a command, which has to end well and, if it is to be quiet, without a warning."""
    start = time.monotonic()
    answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    name = " ".join(os.path.basename(word) for word in command if "\n" not in word)
    if answer.returncode != 0 or (quiet and "warning" in answer.stderr.lower()):
        sys.exit(f"{name}: exit code {answer.returncode}\n{answer.stdout[-2000:]}\n{answer.stderr[-6000:]}")
    print(f"{time.monotonic() - start:7.1f} s  {name}", flush=True)
    return answer.stdout


def floors(wheel: Path) -> Iterator[str]:
    """What the wheel requires without an extra, at the oldest version that it takes."""
    with zipfile.ZipFile(wheel) as archive:
        (path,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(path).decode()
    for requirement in re.findall(r"^Requires-Dist: (.+)$", metadata, re.MULTILINE):
        if "extra ==" not in requirement:
            bounds, *marker = requirement.split(";")
            floor = re.fullmatch(r"([\w.-]+).*>=([\w.]+).*", bounds.replace(" ", ""))
            if floor is None:
                sys.exit(f"{requirement}: it says no oldest version; expected one, as in numpy>=1.26")
            yield ";".join([f"{floor[1]}=={floor[2]}", *marker])


def check(versions: str, wheel: Path, folder: Path) -> None:
    """Install the wheel into an environment of its own and run it there."""
    venv.create(folder / "venv", with_pip=True)
    bin = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(bin / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wanted = list(floors(wheel)) if versions == "oldest" else [os.environ.get("TORCH") or "torch"]
    run(*pip, "install", *wanted, str(wheel), cwd=folder)
    run(*pip, "check", cwd=folder)
    names = sorted(floor.partition("==")[0] for floor in floors(wheel))
    print(run(str(bin / "python"), "-c", SHOW_VERSIONS, *names, cwd=folder), end="")

    def twosome(*arguments: str) -> str:
        return run(str(bin / "twosome"), *arguments, cwd=folder, quiet=True)

    assert "TomatoSalad" in twosome("envs")
    rows = json.loads(twosome("score", PROMPT, "boil the egg", "go to bed", "--json"))["actions"]
    assert [row["action"] for row in rows] == ["boil the egg", "go to bed"]
    trained = json.loads(twosome("train", "--total-steps", "256", "--output", "run", "--json"))
    assert trained["last"]["decisions"] == 256
    assert "return" in twosome("show", "run", "--episodes", "10")
    assert "report.html" in twosome("report", "run")
    assert (folder / "run" / "report.html").stat().st_size > 1000


def main() -> None:
    """Build the wheel once, then check each set of versions in a folder of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="+", choices=("newest", "oldest"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twosome-install-") as name:
        folder = Path(name)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
        run(*pip, "wheel", "--no-deps", "--wheel-dir", ".", str(ROOT), cwd=folder)
        (wheel,) = folder.glob("*.whl")
        for versions in arguments.versions:
            (folder / versions).mkdir()
            print(f"{versions} versions on Python {sys.version.split()[0]}")
            check(versions, wheel, folder / versions)


if __name__ == "__main__":
    main()
