"""What the documentation shows is what happens."""

import ast
import importlib.util
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import twosome
from benchmarks.pages.__main__ import filled
from benchmarks.pages.declared import declared
from twosome.cli import COMMANDS, main
from twosome.documents import parse_toml
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


BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
BLOCKS = [(page.name, *block) for page in PAGES for block in BLOCK.findall(page.read_text())]
LINES = {
    line: name
    for name, language, block in BLOCKS
    if language == "bash"
    for line in re.split(r"\n| && | \| ", re.sub(r"\\\n\s*", "", block))
    if line and not line.startswith("#")
}
"""Every command of a shell that a page shows, with the page."""
WORDS = [shlex.split(line.partition(" > ")[0], comments=True) for line in LINES if line.startswith("twosome ")]
DIFFERENT = {(words[1], *sorted(word for word in words if word.startswith("--"))): words for words in WORDS}
"""Of commands with the same flags one, for the sake of time."""
INLINE = {
    tuple(line.split())
    for page in PAGES
    for line in re.findall(r"`(twosome [a-z-]+ [^`]*)`", page.read_text())
    if not re.search(r"\.\.\.|MODULE|lerning|['\"|]", line)
}
"""Commands in the middle of a sentence, but for those that leave something out."""


class Understood(Exception):  # noqa: N818 - nothing is wrong
    """What a command would go on from."""


def understand(words, monkeypatch):
    """Raise `Understood` if a command takes these arguments; it does no more than that."""
    assert words[0] in COMMANDS, words[0]
    command = importlib.import_module(f"twosome.cli.{words[0].replace('-', '_')}")
    parse = command.parse

    def stop(*arguments):
        parse(*arguments)
        raise Understood

    monkeypatch.setattr(command, "parse", stop)
    command.main(words[1:])


@pytest.mark.parametrize("words", DIFFERENT.values(), ids=" ".join)
def test_a_command_that_a_page_shows_is_understood(words, monkeypatch):
    with pytest.raises(Understood):
        understand(words[1:], monkeypatch)


@pytest.mark.parametrize("words", sorted(INLINE - set(map(tuple, WORDS))), ids=" ".join)
def test_a_command_within_a_sentence_has_no_flag_that_does_not_exist(words, monkeypatch, capsys):
    with pytest.raises((Understood, SystemExit)):
        understand(words[1:], monkeypatch)
    assert "nrecognized" not in capsys.readouterr().err


def test_other_commands_that_pages_show_name_targets_modules_and_extras_that_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    extras = parse_toml((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for line, page in LINES.items():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert {word for word in words[1:] if "=" not in word} <= targets, (page, line)
        for module in re.findall(r"python -m ((?:twosome|benchmarks|tests|hearth)[\w.]*)", line):
            assert importlib.util.find_spec(module) is not None, (page, line)
        for names in re.findall(r"twosome\[([\w,-]+)\]", line):
            assert set(names.split(",")) <= set(extras), (page, line)


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=page) for page, language, code in BLOCKS if language == "python"]
)
def test_python_that_a_page_shows_names_what_exists(code):
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "twosome":
            module = importlib.import_module(node.module)
            assert {name.name for name in node.names if not hasattr(module, name.name)} == set()
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("twosome."):
            called = eval(ast.unparse(node.func), {"twosome": twosome})
            assert {keyword.arg for keyword in node.keywords if keyword.arg} <= set(
                inspect.signature(called).parameters
            )


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
    code = "".join(re.findall(r"```python\n(.*?)```", README, re.DOTALL))
    code = code.replace('env="TomatoSalad", seed=1', 'env="TomatoSalad", seed=1, total_steps=1280')
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=300
    )
    untrained, trained = answer.stdout.splitlines()
    assert untrained.startswith("You want to serve a tomato salad.")
    assert trained.endswith("Now you pick up the tomato")
