"""Rebuild `hearth` from nothing: corpus, tokenizer, pre-training, probe, data card numbers.

``python -m hearth.build`` writes the shipped folder; ``--output`` and the dials (``--tokens``, ``--situations``,
``--width``, ``--layers``, ``--seed``) make variants of other sizes and other strength.
"""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHIPPED = ROOT / "src" / "twosome" / "models" / "hearth"
# Page faults on large buffers make tiny models three to five times slower unless glibc keeps its memory; threads
# are fixed because sums in another order give other weights.
SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": "4000000000",
    "MALLOC_TRIM_THRESHOLD_": "4000000000",
    "MALLOC_TOP_PAD_": "268435456",
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
}
TOKENIZER_DOCUMENTS = 20_000
HELD_OUT_DOCUMENTS = 300


def restart_with_settings() -> None:
    """Start this program again where a setting that is read at start-up is missing."""
    if any(os.environ.get(key) != value for key, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, "-m", "hearth.build", *sys.argv[1:]], {**os.environ, **SETTINGS})


def held_out_texts(seed: int, situations: float, wander: float) -> list[str]:
    """Documents of the same grammar under another seed, to measure perplexity on."""
    from hearth.corpus import documents

    return list(itertools.islice(documents(seed + 1_000_003, situations, wander), HELD_OUT_DOCUMENTS))


def parse() -> tuple["Recipe", Path]:  # noqa: F821
    """Flags to a recipe and a folder."""
    from hearth.pretrain import Recipe

    parser = argparse.ArgumentParser(prog="python -m hearth.build", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=SHIPPED, help="folder of the model (default: the shipped one)")
    for field in dataclasses.fields(Recipe):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    values = vars(parser.parse_args())
    return Recipe(**{f.name: values[f.name] for f in dataclasses.fields(Recipe)}), values["output"]


def main() -> None:
    """Build, measure, write."""
    restart_with_settings()
    import torch

    from hearth import probe
    from hearth.corpus import documents
    from hearth.pretrain import perplexity, pretrain
    from hearth.tokenizer import save_tokenizer, train_tokenizer

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    recipe, folder = parse()
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    tokenizer = train_tokenizer(
        itertools.islice(documents(recipe.seed, recipe.situations, recipe.wander), TOKENIZER_DOCUMENTS),
        recipe.vocab_size,
    )
    model = pretrain(recipe, tokenizer)
    save_tokenizer(tokenizer, folder)
    model.save_pretrained(folder)
    report = {
        "recipe": dataclasses.asdict(recipe),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": round(time.perf_counter() - began),
        "perplexity": perplexity(model, tokenizer, held_out_texts(recipe.seed, recipe.situations, recipe.wander)),
        "probe": probe.run(model, tokenizer),
    }
    (folder / "measurements.json").write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
