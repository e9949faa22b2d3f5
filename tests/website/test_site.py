"""The documentation's site: links that its hooks move, what its reference shows, and what it is when it is built."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

import twosome
from website.hooks import DOCS, ROOT, linked, page_of, reference, relinked, site_path, with_settings


def test_links_lead_to_where_files_are_in_the_site():
    text = "[a](../README.md#start) [b](../src/twosome/minimal.py) [c](faq.md) [d](https://example.org) [e](nowhere.md)"
    assert relinked(text, DOCS / "method.md") == (
        "[a](index.md#start) [b](repository/src/twosome/minimal.py.md) [c](faq.md) [d](https://example.org) "
        "[e](nowhere.md)"
    )
    assert relinked("[a](docs/faq.md)", ROOT / "README.md") == "[a](faq.md)"


def test_what_pages_link_to_outside_of_their_folder_becomes_a_page_of_the_site():
    code = ROOT / "src" / "twosome" / "ppo" / "credit" / "grpo.py"
    assert code in linked([DOCS / "your-own-algorithm.md"])
    assert site_path(code) == "repository/src/twosome/ppo/credit/grpo.py.md"
    assert code.read_text("utf-8") in page_of(code)


def test_every_page_has_its_place_in_the_navigation():
    navigation = (ROOT / "mkdocs.yml").read_text("utf-8").partition("\nnav:")[2]
    pages = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    assert pages <= set(re.findall(r"(\S+\.md)$", navigation, re.MULTILINE))


def test_the_reference_has_every_public_name():
    api = reference()["reference/api.md"]
    assert {name for name in twosome.__all__ if f"twosome.{name}" not in api} == {"__version__"}


def test_every_setting_has_a_word_on_when_to_touch_it_and_gets_its_default_and_what_it_is():
    page = (DOCS / "settings.md").read_text("utf-8")
    rows = re.findall(r"^\| `--([a-z-]+)` \| .+ \|$", page, re.MULTILINE)
    assert sorted(rows) == sorted(field.name.replace("_", "-") for field in dataclasses.fields(twosome.TrainConfig))
    wide = with_settings(page)
    assert re.search(
        r"\| `--actor-lr` \| 0\.001; .*paper: 5e-07 \| Learning rate of the adapters, .* \| the first", wide
    )
    assert {line.count("|") for line in wide.splitlines() if line.startswith("|")} == {5}


FOREIGN = re.compile(r"<(?:script|link|img|iframe)[^>]+(?:src|href)=\"?(?:https?:)?//|url\(\"?(?:https?:)?//|@import")


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs", reason="pip install -e '.[docs]'")
    answer = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", tmp_path],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "WARNING" not in answer.stderr
    pages = [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]
    assert [path.name for path in pages if FOREIGN.search(path.read_text("utf-8"))] == []
    assert "<math" in (tmp_path / "method.html").read_text("utf-8")
    assert "arithmatex" not in (tmp_path / "method.html").read_text("utf-8")
