"""The first moments of each command: what can be answered or refused without a model waits for no library."""

import os
import subprocess
import sys

import pytest

from twosome.cli import COMMANDS

SLOW = ("torch", "transformers", "peft", "matplotlib")
"""What takes seconds to import."""


def loaded_by(arguments: list[str], folder, slow=SLOW) -> tuple[int, str, set[str]]:
    """Exit code, what was said, and which of the slow packages the command loaded, in a process of its own."""
    code = (
        "import sys; sys.argv[0] = 'twosome'\n"
        "from twosome.cli import main\n"
        "try: code = main(sys.argv[1:])\n"
        "except SystemExit as stop: code = stop.code\n"
        f"print('loaded:', code, *[name for name in {slow!r} if name in sys.modules])"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    answer = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    _, _, last = answer.stdout.rpartition("loaded: ")
    status, *names = last.split()
    return int(status), answer.stdout + answer.stderr, set(names)


@pytest.mark.parametrize("arguments", [[], ["--version"], ["trian"], *([name, "--help"] for name in COMMANDS)], ids=str)
def test_help_loads_neither_a_models_libraries_nor_gymnasium_and_numpy(arguments, tmp_path):
    code, said, loaded = loaded_by(arguments, tmp_path, (*SLOW, "gymnasium", "numpy"))
    assert code == (2 if arguments == ["trian"] else 0)
    assert said
    assert loaded == set()


RUN_COMMANDS = ("eval", "generalize", "report", "retain", "show")
NEEDED = {"score": ["You wait. Now you", "go"], "experiment": ["x.toml"], **{name: ["x"] for name in RUN_COMMANDS}}


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        *([[name, *NEEDED.get(name, []), "--no-such-flag"], "no-such-flag"] for name in COMMANDS),
        *([[name, "no-such-run"], "no-such-run"] for name in RUN_COMMANDS),
        (["train", "--resume", "no-such-run"], "no-such-run"),
        (["experiment", "no-such-file.toml"], "no-such-file.toml"),
        (["train", "--env", "TomatoSald"], "TomatoSalad"),
        (["train", "--env", "no_such_module:World"], "no_such_module"),
        (["train", "--env-kwargs", '{"layout": "Z"}'], "layout"),
        (["train", "--clip", "-1"], "--clip"),
        (["train", "--clip", "wide"], "wide"),
        (["train", "--model", "./no-such-model"], "no-such-model"),
        (["train", "--model", "./no-such-model", "--dry-run"], "no-such-model"),
        (["train", "--ray-workers", "3"], "--num-envs"),
        (["train", "--output", "."], "not empty"),
        (["eval"], "--model hearth"),
        (["eval", "--policy", "random", "--greedy"], "--greedy"),
        (["eval", "--policy", "random", "--env", "TomatoSald"], "TomatoSalad"),
        (["eval", "--policy", "saycan", "--affordance-decisions", "0"], "--affordance-decisions"),
        (["eval", "--model", "./no-such-model"], "no-such-model"),
        (["eval", "--model", "hearth", "--episodes", "0"], "--episodes"),
        (["score", "--model", "./no-such-model", "You wait. Now you", "go"], "no-such-model"),
        (["score", "You wait. Now you", ""], "empty"),
        (["bench", "--model", "./no-such-model"], "no-such-model"),
        (["bench", "--actions", "0"], "--actions"),
        (["generalize", "no-such-run", "--episodes", "1"], "--episodes"),
        (["retain", "no-such-run", "--limit", "0"], "--limit"),
        (["show", "no-such-run", "--episodes", "0"], "--episodes"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_mistakes_are_refused_before_a_models_libraries_are_loaded(arguments, word, tmp_path):
    (tmp_path / "some.file").write_text("so that the folder is not empty")
    code, said, loaded = loaded_by(arguments, tmp_path)
    assert code in (1, 2)
    assert word in said
    assert "Traceback" not in said
    assert loaded == set()


def test_importing_the_package_registers_the_worlds():
    code = "import twosome, gymnasium; gymnasium.make('twosome/TomatoSalad-v0'); twosome.envs.text"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
