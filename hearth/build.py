"""Rebuild `hearth` from nothing: corpus, tokenizer, pre-training, probe, returns, data card.

``python -m hearth.build`` writes the shipped folder; ``--output`` and the dials (``--tokens``, ``--situations``,
``--wander``, ``--width``, ``--layers``, ``--seed``) make variants of other sizes and other strength.
"""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

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
EPISODES = 500


def restart_with_settings() -> None:
    """Start this program again where a setting that is read at start-up is missing."""
    if any(os.environ.get(key) != value for key, value in SETTINGS.items()):
        os.execve(sys.executable, [sys.executable, "-m", "hearth.build", *sys.argv[1:]], {**os.environ, **SETTINGS})


def held_out_texts(seed: int, situations: float, wander: float) -> list[str]:
    """Documents of the same grammar under another seed, to measure perplexity on."""
    from hearth.corpus import documents

    return list(itertools.islice(documents(seed + 1_000_003, situations, wander), HELD_OUT_DOCUMENTS))


def parse(recipe_type: type) -> tuple[Any, Path]:
    """Flags to a recipe and a folder."""
    parser = argparse.ArgumentParser(prog="python -m hearth.build", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=SHIPPED, help="folder of the model (default: the shipped one)")
    fields = dataclasses.fields(recipe_type)
    for field in fields:
        name = field.name.replace("_", "-")
        parser.add_argument(f"--{name}", type=type(field.default), default=field.default)
    values = vars(parser.parse_args())
    return recipe_type(**{f.name: values[f.name] for f in fields}), values["output"]


def check_corpus(recipe: Any, num_documents: int) -> None:
    """Stop when a document that is trained on holds a prompt or a plan of the tasks."""
    from hearth.corpus import documents
    from hearth.leakage import Detector, task_prompts

    detector = Detector(task_prompts())
    stream = documents(recipe.seed, recipe.situations, recipe.wander)
    for text in itertools.islice(stream, num_documents):
        if detector.finds(text):
            raise SystemExit(f"the corpus leaks a task: {text}")


def main() -> None:
    """Build, measure, write."""
    restart_with_settings()
    import torch

    from hearth import card, evaluate, probe
    from hearth.corpus import documents
    from hearth.pretrain import Recipe, pack, perplexity, pretrain
    from hearth.tokenizer import save_tokenizer, train_tokenizer

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    recipe, folder = parse(Recipe)
    folder.mkdir(parents=True, exist_ok=True)
    began = time.perf_counter()
    stream = documents(recipe.seed, recipe.situations, recipe.wander)
    tokenizer = train_tokenizer(itertools.islice(stream, TOKENIZER_DOCUMENTS), recipe.vocab_size)
    rows, num_documents = pack(recipe, tokenizer)
    check_corpus(recipe, num_documents)
    print(f"{num_documents} documents, none with a prompt or a plan of a task", flush=True)
    model = pretrain(recipe, tokenizer, rows)
    save_tokenizer(tokenizer, folder)
    model.save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    report = {
        "recipe": dataclasses.asdict(recipe),
        "documents": num_documents,
        "parameters": sum(p.numel() for p in model.parameters()),
        "perplexity": perplexity(model, tokenizer, held_out_texts(recipe.seed, recipe.situations, recipe.wander)),
        "probe": probe.run(model, tokenizer),
        "untrained": evaluate.evaluate(folder, evaluate.PAPER_TASKS + evaluate.UNSEEN_TASKS, EPISODES),
        "random": evaluate.evaluate(None, evaluate.PAPER_TASKS + evaluate.UNSEEN_TASKS, EPISODES),
        "seconds": round(time.perf_counter() - began),
    }
    (folder / "measurements.json").write_text(json.dumps(report, indent=2) + "\n")
    (folder / "DATA_CARD.md").write_text(card.render(report))
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
