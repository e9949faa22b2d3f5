"""What the documentation shows is what happens."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from twosome.cli import COMMANDS, main
from twosome.envs import text

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_example_world_keeps_the_contract_and_can_be_trained_on(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "your-own-world.md").read_text()
    (code,) = re.findall(r"```python\n# light\.py\n(.*?)```", page, re.DOTALL)
    (tmp_path / "light.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    try:
        text.check_world(text.make("light:home/Light-v0"))
        assert main(["train", "--env", "light:home/Light-v0", "--total-steps", "128", "--json"]) == 0
    finally:
        sys.modules.pop("light", None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_show_exist(page):
    for name in re.findall(r"^(?:\.venv/bin/)?twosome ([a-z]+)", page.read_text(), re.MULTILINE):
        assert name in COMMANDS, name


def test_the_readme_shows_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "make train" in readme
    assert "make test" in readme


def test_the_tables_on_the_pages_are_made_from_the_result_files():
    command = [sys.executable, str(ROOT / "benchmarks" / "tables.py"), "--check"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
