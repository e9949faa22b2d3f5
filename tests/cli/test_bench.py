"""`twosome bench`: one JSON document, and tables that say the same."""

import contextlib
import io
import json

import pytest

from twosome.cli import bench, main


@pytest.fixture(scope="module")
def document():
    words = "bench --model hearth --prompt-tokens 20 --actions 3 --decisions 1 --seconds 0 --device auto --json"
    with contextlib.redirect_stdout(io.StringIO()) as output:
        assert main(words.split()) == 0
    return json.loads(output.getvalue())


def test_the_json_is_one_document_with_every_way(document):
    assert document["model"] == "hearth"
    assert {"command", "date", "hardware", "versions"} <= set(document)
    (cell,) = document["cells"]
    assert cell["prompt_tokens"] <= 20
    assert cell["actions"] == 3
    assert {"packed", "padded", "cached", "plain"} <= set(cell["forward"]["ways"])
    assert max(cell["largest_difference_nats"].values()) < 1e-3


def test_the_table_names_every_way_and_shows_the_measured_ratio(document, capsys):
    bench._print(document)
    printed = capsys.readouterr().out
    for word in ("packed", "padded", "cached", "plain", "forward + backward", "All ways agree"):
        assert word in printed
    ratio = document["cells"][0]["forward"]["ratios"]["padded/packed"]["wall"][1]
    assert f"{ratio:.2f}x" in printed
    floor = document["cells"][0]["forward"]["ratios"]["packed/plain"]["wall"][1]
    assert f"{1 / floor:.2f}x" in printed


def test_a_way_that_is_left_out_is_named_with_the_reason(document, capsys):
    cell = {**document["cells"][0], "left_out": {"harness": "not installed"}}
    bench._print({**document, "cells": [cell]})
    assert "harness: left out, not installed" in capsys.readouterr().out


def test_what_cannot_be_measured_is_refused_with_the_flag(capsys):
    assert main(["bench", "--actions", "0"]) == 1
    assert "--actions" in capsys.readouterr().err
    assert main(["bench", "--prompt-tokens", "1000000"]) == 1
    assert "prompts of 1000000 tokens" in capsys.readouterr().err
