"""Language tasks from a file of one's own: lines of JSON, which are data alone, so that no code of theirs runs."""

import gzip
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from twosome.documents import parse_json, read_text
from twosome.errors import ConfigError, RunError, quote
from twosome.files import FILE_BYTES, open_to_read

ENDINGS = (".jsonl", ".jsonl.gz")


class _Kind(NamedTuple):
    """How the items of one form are asked.

    Attributes:
        fields: that an item must have.
        item: what is asked, of an item with these fields; raises KeyError, TypeError, ValueError or IndexError.
        settings: of the task, in the harness's words.
    """

    fields: tuple[str, ...]
    item: Callable[[Mapping[str, Any]], dict[str, Any]]
    settings: dict[str, Any]


def _choice(prompt: str, choices: Sequence[str], answer: int) -> dict[str, Any]:
    if not isinstance(prompt, str) or isinstance(choices, str) or not all(isinstance(c, str) and c for c in choices):
        raise TypeError("expected a prompt and a list of choices, all of them text")
    if type(answer) is not int or not 0 <= answer < len(choices) or len(choices) < 2:
        raise ValueError(f"expected at least two choices and the number of the right one, from 0, and got {answer!r}")
    return {"prompt": prompt, "choices": list(choices), "answer": answer}


def _text(item: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(item["text"], str) or not item["text"].strip():
        raise ValueError("expected a text that is not empty")
    return {"text": item["text"]}


def _metrics(*names: str) -> list[dict[str, Any]]:
    return [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in names]


_ASKED = {"output_type": "multiple_choice", "doc_to_choice": "{{choices}}", "doc_to_target": "answer"}
# After a prompt a choice's length counts (acc_norm); of two sentences as wholes it does not, as in BLiMP.
_CONTINUED = {**_ASKED, "doc_to_text": "{{prompt}}", "metric_list": _metrics("acc", "acc_norm")}
_COMPARED = {**_ASKED, "doc_to_text": "", "target_delimiter": "", "metric_list": _metrics("acc")}
_READ = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "metric_list": [{"metric": "word_perplexity"}],
}
_KINDS = (
    _Kind(("prompt", "choices", "answer"), lambda i: _choice(i["prompt"], i["choices"], i["answer"]), _CONTINUED),
    _Kind(("good", "bad"), lambda i: _choice("", [i["good"], i["bad"]], 0), _COMPARED),
    _Kind(("text",), _text, _READ),
    # As these public tests are published: BLiMP (Warstadt et al., 2020) and PIQA (Bisk et al., 2020).
    _Kind(
        ("sentence_good", "sentence_bad"), lambda i: _choice("", [i["sentence_good"], i["sentence_bad"]], 0), _COMPARED
    ),
    _Kind(
        ("goal", "sol1", "sol2", "label"),
        lambda i: _choice(f"Question: {i['goal']}\nAnswer:", [i["sol1"], i["sol2"]], i["label"]),
        _CONTINUED,
    ),
)


def is_file(name: str) -> bool:
    """Whether a task's name is that of a file of items."""
    return name.endswith(ENDINGS)


def task_of(file: Path, cache: Path) -> dict[str, Any]:
    """A file of items as a task of the harness, named after the file.

    Args:
        file: lines of JSON objects, all of one form; may be compressed by gzip.
        cache: a folder for what the harness reads; not the user's cache.

    Raises:
        ConfigError: it cannot be read, or a line is no item.
    """
    lines = [(i, line) for i, line in enumerate(_content(file).splitlines(), 1) if line.strip()]
    if not lines:
        raise ConfigError(f"{file} has no items; expected a JSON object in each line, as docs/retention.md shows.")
    kind: _Kind | None = None
    items = []
    for number, line in lines:
        place = f"{file}, line {number}"
        try:
            item = parse_json(line)
        except ValueError as error:
            raise ConfigError(f"{place} is not JSON: {error}. {_EXPECTED}") from error
        kind = kind or _kind_of(item, place)
        try:
            items.append(kind.item(item))
        except KeyError as error:
            raise ConfigError(f"{place} lacks {error}, which the lines before it have. {_EXPECTED}") from error
        except (TypeError, ValueError, IndexError) as error:
            raise ConfigError(f"{place} is no item: {quote(str(error))}. {_EXPECTED}") from error
    assert kind is not None
    name = file.name.removesuffix(".gz").removesuffix(".jsonl")
    data = cache / f"{name}-items.jsonl"
    data.write_text("".join(f"{json.dumps(item)}\n" for item in items), encoding="utf-8")
    return {
        "task": name,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data)}, "cache_dir": str(cache)},
        "test_split": "test",
        "num_fewshot": 0,
        **kind.settings,
    }


_EXPECTED = f"Expected {'; or '.join(', '.join(kind.fields) for kind in _KINDS)} in each line; see docs/retention.md."


def _kind_of(item: Any, place: str) -> _Kind:
    for kind in _KINDS:
        if isinstance(item, dict) and item.keys() >= set(kind.fields):
            return kind
    has = f"has {', '.join(map(quote, item))}" if isinstance(item, dict) and item else "is no object with fields"
    raise ConfigError(f"{place} {has}. {_EXPECTED}")


def _content(file: Path) -> str:
    try:
        if not file.name.endswith(".gz"):
            return read_text(file)
        # A few bytes may stand for gigabytes.
        with open_to_read(file, follow_links=True) as packed, gzip.open(packed) as unpacked:
            content = unpacked.read(FILE_BYTES + 1)
        if len(content) > FILE_BYTES:
            raise ValueError(f"it is larger than {FILE_BYTES:,} bytes")
        return content.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigError(f"there is no file {file}; expected items of a language task.") from error
    except RunError as error:
        raise ConfigError(f"cannot read {file}: it is no regular file.") from error
    except (ValueError, OSError, EOFError, zlib.error) as error:
        raise ConfigError(f"cannot read {file}: {quote(str(error))}.") from error
