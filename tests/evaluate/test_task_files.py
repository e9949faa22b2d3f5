"""Language tasks from files: what each form becomes, and what is said of a file that is none."""

import gzip
import json
from pathlib import Path

import pytest

from twosome.errors import ConfigError
from twosome.evaluate.task_files import task_of


def asked(tmp_path, *items, name="mine.jsonl"):
    file = tmp_path / name
    content = "".join(f"{item if isinstance(item, str) else json.dumps(item)}\n" for item in items).encode()
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    task = task_of(file, tmp_path)
    lines = Path(task["dataset_kwargs"]["data_files"]["test"]).read_text().splitlines()
    return task, [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["mine.jsonl", "mine.jsonl.gz"])
@pytest.mark.parametrize(
    ("item", "becomes", "metrics"),
    [
        (
            {"prompt": "Tea is made with", "choices": ["water", "sand"], "answer": 0, "source": "me"},
            {"prompt": "Tea is made with", "choices": ["water", "sand"], "answer": 0},
            ["acc", "acc_norm"],
        ),
        ({"good": "It is.", "bad": "It are."}, {"prompt": "", "choices": ["It is.", "It are."], "answer": 0}, ["acc"]),
        ({"text": "A story."}, {"text": "A story."}, ["word_perplexity"]),
        (
            {"sentence_good": "It is.", "sentence_bad": "It are.", "UID": "agreement"},
            {"prompt": "", "choices": ["It is.", "It are."], "answer": 0},
            ["acc"],
        ),
        (
            {"goal": "boil an egg", "sol1": "in sand", "sol2": "in water", "label": 1},
            {"prompt": "Question: boil an egg\nAnswer:", "choices": ["in sand", "in water"], "answer": 1},
            ["acc", "acc_norm"],
        ),
    ],
)
def test_each_form_of_item_is_asked_as_it_is_meant(tmp_path, name, item, becomes, metrics):
    task, items = asked(tmp_path, item, item, name=name)
    assert items == [becomes, becomes]
    assert [row["metric"] for row in task["metric_list"]] == metrics
    assert task["task"] == "mine"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([], "has no items"),
        (['{"text": "a"'], "line 1 is not JSON"),
        (["[1]"], "line 1 is no object"),
        ([{"question": "a"}], "line 1 has 'question'"),
        ([{"good": "a", "bad": "b"}, {"text": "c"}], "line 2 lacks 'good'"),
        ([{"good": "a", "bad": 3}], "line 1 is no item"),
        ([{"prompt": "a", "choices": ["b", "c"], "answer": 2}], "line 1 is no item"),
        ([{"prompt": "a", "choices": ["b", "c"], "answer": True}], "line 1 is no item"),
        ([{"prompt": "a", "choices": "bc", "answer": 0}], "line 1 is no item"),
        ([{"prompt": "a", "choices": None, "answer": 0}], "line 1 is no item"),
        ([{"prompt": "a", "choices": ["b"], "answer": 0}], "line 1 is no item"),
        ([{"text": ""}], "line 1 is no item"),
        ([{"text": 3}], "line 1 is no item"),
    ],
)
def test_what_is_no_item_is_named_by_its_line(tmp_path, items, said):
    with pytest.raises(ConfigError, match=said):
        asked(tmp_path, *items)


def test_a_file_that_cannot_be_read_says_why(tmp_path):
    with pytest.raises(ConfigError, match="there is no file"):
        task_of(tmp_path / "missing.jsonl.gz", tmp_path)
    (tmp_path / "broken.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(ConfigError, match="cannot read"):
        task_of(tmp_path / "broken.jsonl.gz", tmp_path)
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(b"\n" * 65 * 2**20))
    with pytest.raises(ConfigError, match="larger than"):
        task_of(tmp_path / "bomb.jsonl.gz", tmp_path)
