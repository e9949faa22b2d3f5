"""Three sizes of `hearth` from one corpus: build the two that do not ship, where missing, and gather what each can do.

    python benchmarks/sizes.py
    twosome experiment benchmarks/experiments/sizes.toml    # then, from the same folder: train each

Models go to runs/models/, what their builds measured to benchmarks/results/sizes-models.json. Building takes
some fifteen minutes on one CPU thread.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tables import RESULTS, ROOT, WORLDS

from twosome import models
from twosome.bench.document import document

SHIPPED = models.path("hearth")
SIZES = {"small": {"width": 64, "layers": 2}, "middle": {"width": 96, "layers": 3}, "hearth": {}}


def built(name: str) -> Path:
    """The folder of a size, built unless it is there."""
    if not SIZES[name]:
        return SHIPPED
    folder = ROOT / "runs" / "models" / name
    if not (folder / "measurements.json").exists():
        flags = [word for key, value in SIZES[name].items() for word in (f"--{key}", str(value))]
        subprocess.run([sys.executable, "-m", "hearth.build", "--output", str(folder), *flags], cwd=ROOT, check=True)
    return folder


def measured(name: str) -> dict[str, Any]:
    """What the build measured of a size, once it is certain that nothing but the size differs from what ships."""
    folder = built(name)
    content: dict[str, Any] = json.loads((folder / "measurements.json").read_text())
    shipped = json.loads((SHIPPED / "measurements.json").read_text())["recipe"]
    expected, again = {**shipped, **SIZES[name]}, "Delete the folder, then run this again."
    if content["recipe"] != expected:
        raise SystemExit(f"{folder} was built by the recipe {content['recipe']}; expected {expected}. {again}")
    if (folder / "tokenizer.json").read_bytes() != (SHIPPED / "tokenizer.json").read_bytes():
        raise SystemExit(f"{folder} has another tokenizer than the shipped model. {again}")
    return {
        **{key: content["recipe"][key] for key in ("width", "layers")},
        **{key: content[key] for key in ("parameters", "perplexity", "probe")},
        "untrained": {world: content["untrained"][world] for world in WORLDS},
    }


def main() -> None:
    """Build, gather, write."""
    content = {"models": {name: measured(name) for name in SIZES}}
    result = document("python benchmarks/sizes.py", content)
    (RESULTS / "sizes-models.json").write_text(json.dumps(result, indent=1) + "\n")
    for name, row in content["models"].items():
        print(name, {key: row[key] for key in ("parameters", "perplexity")})


if __name__ == "__main__":
    main()
