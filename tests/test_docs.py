"""What the documentation shows is what happens."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.pages.__main__ import filled
from benchmarks.pages.declared import declared
from twosome.cli import COMMANDS, main
from twosome.envs import text

ROOT = Path(__file__).parents[1]
OWN_ENVIRONMENT = (ROOT / "docs" / "your-own-environment.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.fixture
def light(tmp_path):
    """A folder with the environment that the page writes, and nothing else."""
    (code,) = re.findall(r"```python\n# light\.py\n(.*?)```", OWN_ENVIRONMENT, re.DOTALL)
    (tmp_path / "light.py").write_text(code)
    return tmp_path


def test_the_example_environment_keeps_the_contract(light, monkeypatch):
    monkeypatch.syspath_prepend(light)
    try:
        text.check_contract(text.make("light:home/Light-v0"))
    finally:
        sys.modules.pop("light", None)


def test_the_example_environment_is_trained_on_by_the_command_of_the_page(light):
    (command,) = re.findall(r"^twosome train .*--env light:.*$", OWN_ENVIRONMENT, re.MULTILINE)
    assert " --total-steps 2560" in command
    name, *words = shlex.split(command.replace("2560", "128"))
    answer = subprocess.run(
        [Path(sys.executable).parent / name, *words],
        cwd=light,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert len(list((light / "runs").iterdir())) == 1


AGENT = (ROOT / "docs" / "agent.md").read_text()


def test_the_page_about_agents_runs_from_its_first_block_to_its_last(tmp_path):
    first, *blocks = re.findall(r"```python\n(.*?)```", AGENT, re.DOTALL)
    (baseline,) = [block for block in blocks if block.startswith("# longest.py\n")]
    (tmp_path / "longest.py").write_text(baseline)
    shown = "\n".join([first, "print(agent)", *[block for block in blocks if block != baseline]])
    code = shown.replace('env="TomatoSalad", seed=1', 'env="TomatoSalad", seed=1, total_steps=128')
    assert code != shown
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[0] in AGENT
    assert len(list((tmp_path / "my-agent").iterdir())) == 4


def test_a_baseline_in_one_file_plays_by_the_command_of_the_page(tmp_path, monkeypatch, capsys):
    (baseline,) = re.findall(r"```python\n(# longest\.py\n.*?)```", AGENT, re.DOTALL)
    (command,) = re.findall(r"^twosome (eval --policy longest:Longest .*)$", AGENT, re.MULTILINE)
    (tmp_path / "longest.py").write_text(baseline)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert main([*shlex.split(command), "--json"]) == 0
    finally:
        sys.modules.pop("longest", None)
    result = json.loads(capsys.readouterr().out)
    assert (result["policy"], result["episodes"]) == ("longest:Longest", 10)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_pages_show_exist(page):
    for name in re.findall(r"^(?:\.venv/bin/)?twosome ([a-z-]+)", page.read_text(), re.MULTILINE):
        assert name in COMMANDS, name


def test_the_readme_shows_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "make train" in readme
    assert "make test" in readme


def test_the_tables_on_the_pages_are_made_from_the_result_files():
    assert not [page.name for page in PAGES if filled(page.read_text()) != page.read_text()]


def test_filling_an_empty_block_leaves_the_page_around_it_alone():
    page = "a\n<!-- results:training -->\n<!-- end -->\nb\n<!-- results:seeds -->\nold\n<!-- end -->\nc\n"
    once = filled(page)
    assert once.startswith("a\n")
    assert once.endswith("\nc\n")
    assert "\nb\n" in once
    assert "\nold\n" not in once
    assert filled(once) == once


def test_every_declared_table_stands_on_a_page_and_every_result_file_is_read():
    text = "".join(page.read_text() for page in PAGES)
    assert {name for name in declared() if f"<!-- results:{name} -->" not in text} == set()
    declarations = "".join(path.read_text() for path in (ROOT / "benchmarks" / "pages").glob("*.toml"))
    files = {path.stem for path in (ROOT / "benchmarks" / "results").iterdir()}
    assert {name for name in files if f'"{name}"' not in declarations} == set()


def test_every_picture_is_shown_on_a_page():
    text = "".join(page.read_text() for page in PAGES)
    assert {path.name for path in (ROOT / "docs" / "images").iterdir() if path.name not in text} == set()


README = (ROOT / "README.md").read_text()


def test_the_readmes_first_example_prefers_what_a_person_would(capsys):
    (command,) = re.findall(r"^twosome (score .*?)  +#", README, re.MULTILINE)
    assert main([*shlex.split(command), "--json"]) == 0
    wanted, other = json.loads(capsys.readouterr().out)["actions"]
    assert (wanted["action"], other["action"]) == ("fill the kettle", "go to bed")
    assert wanted["policy"]["word"] > 0.99


@pytest.mark.slow
def test_the_readmes_python_acts_as_a_cook_would(tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    code = code.replace('env="TomatoSalad", seed=1', 'env="TomatoSalad", seed=1, total_steps=1280')
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    untrained, trained = answer.stdout.splitlines()
    assert untrained.startswith("You want to serve a tomato salad.")
    assert trained.endswith("Now you pick up the tomato")
