"""The first moments of each command: what can be answered or refused without a model waits for no library."""

import json
import os
import subprocess
import sys
from functools import partial

import pytest

from twosome.cli import COMMANDS, main, showing
from twosome.config import TrainConfig
from twosome.errors import MissingExtraError
from twosome.ppo.train import resume, train
from twosome.runs import EVALUATION, UNTRAINED, RunDirectory

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
        timeout=300,
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


RUN_COMMANDS = ("eval", "generalize", "report", "retain", "serve", "show", "watch")
NEEDED = {
    "doctor": ["TomatoSalad"],
    "check-env": ["TomatoSalad"],
    "new-env": ["pantry"],
    "replay": ["lost.json"],
    "export": ["x", "y"],
    "score": ["You wait. Now you", "go"],
    "experiment": ["x.toml"],
    **{name: ["x"] for name in RUN_COMMANDS},
}


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
        (["check-env", "TomatoSald"], "TomatoSalad"),
        (["check-env", "TomatoSald", "--model", "hearth"], "TomatoSalad"),
        (["check-env", "TomatoSalad", "--model", "./no-such-model"], "no-such-model"),
        (["check-env", "TomatoSalad", "--steps", "0"], "--steps"),
        (["new-env", "Pantry"], "small letters"),
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


def test_importing_the_package_registers_the_environments():
    code = "import twosome, gymnasium; gymnasium.make('twosome/TomatoSalad-v0'); twosome.envs.text"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_the_help_of_train_is_grouped_and_wrapped_at_words(columns, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    _, said, _ = loaded_by(["train", "--help"], tmp_path)
    assert max(map(len, said.splitlines())) <= columns
    for group in ("environment", "model", "training", "PPO", "adapters", "resources"):
        assert f"─ {group} options ─" in said
    if columns == 200:
        return  # two columns of groups, whose lines are read across
    # Sentences of the help, put together again, are those of the settings: no word is cut.
    words = " ".join(said.replace("│", " ").split())
    assert "Bound on the tokens in the model at once, with their gradients too; smaller needs less memory" in words
    assert "--no-show Leave out what comes at the end" in words


@pytest.mark.parametrize("arguments", [["train", "TomatoSalad"], ["train", "--seed", "2", "TomatoSalad", "--json"]])
def test_an_environment_without_its_flag_gets_the_flag(arguments, tmp_path):
    code, said, loaded = loaded_by(arguments, tmp_path)
    assert code == 2
    assert "twosome train --env TomatoSalad" in said
    assert loaded == set()


@pytest.mark.parametrize("words", [["--seeed", "\x1b[2J"], ["--seed", "\x1b[2J"], ["\x1b[2J" + "x" * 5000]])
def test_a_word_that_is_refused_does_not_reach_the_terminal_as_it_is(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["train", *words])
    said = "".join(capsys.readouterr())
    assert "\x1b[2J" not in said
    assert len(said) < 3000


def test_a_finished_run_is_said_to_be_finished_and_left_as_it_is(tmp_path):
    run = train(TrainConfig(total_steps=128, output=tmp_path / "run"))
    checkpoint = RunDirectory.open(run).checkpoint()
    before = {*tmp_path.rglob("*")}
    for flags in ([], ["--no-show"], ["--json"]):
        code, said, loaded = loaded_by(["train", "--resume", "run", *flags], tmp_path)
        assert code == 0
        assert ("run is finished: all of its 128 decisions are made" in said) or flags == ["--json"]
        assert loaded == set()
    assert resume(run) == run
    assert {*tmp_path.rglob("*")} == before
    (checkpoint / "state.json").write_text("damaged")
    assert loaded_by(["train", "--resume", "run"], tmp_path)[0] == 1


def test_the_end_of_training_leaves_its_numbers_for_the_report(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(showing, "show", partial(showing.show, episodes=10))
    small = ["--num-envs", "2", "--rollout-steps", "8", "--total-steps", "64", "--output", "runs/run"]
    assert main(["train", *small]) == 0
    assert main(["report", "runs"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "one seed" in line)
    measured = json.loads((tmp_path / "runs" / "run" / EVALUATION).read_text())
    assert f"return {measured['return_mean']:.3f}, one seed" in line
    assert json.loads((tmp_path / "runs" / "run" / UNTRAINED).read_text())["adapter"] is None


def test_a_missing_extra_is_refused_before_the_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twosome\[trackio\]'"):
        train(TrainConfig(track="trackio", output=tmp_path / "run"))
    assert not (tmp_path / "run").exists()
