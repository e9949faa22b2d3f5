"""What a result was made with: versions of the libraries, the interpreter, the machine."""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import twosome

_LIBRARIES = ("torch", "transformers", "peft", "tokenizers", "safetensors", "gymnasium", "numpy")


def versions(env: str | None = None) -> dict[str, Any]:
    """Versions of everything that a number may depend on, as plain JSON.

    Args:
        env: id of an environment to name as well.
    """
    found: dict[str, Any] = {
        "twosome": twosome.__version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
    if env is not None:
        found["env"] = env
    return found


def hardware() -> dict[str, Any]:
    """What kind of machine this is, for result files."""
    model = platform.processor()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model)
    return {"cpu": model, "cores": os.cpu_count()}


def _commit() -> str | None:
    """Commit of the checkout that the package runs from, "-dirty" behind it if code was changed since.

    None for an installed package.
    """
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changed = _git(root, "status", "--porcelain", "--", "src/*.py", "benchmarks/*.py")
    return f"{commit}-dirty" if commit and changed else commit or None


def _git(root: Path, *words: str) -> str:
    """What git says; nothing if it fails."""
    answer = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=False)
    return answer.stdout.strip()
