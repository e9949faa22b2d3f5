"""The command: it teaches, it answers in JSON, and it explains what went wrong."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from twosome.cli import COMMANDS, main

TRAIN = ["train", "--total-steps", "256", "--threads", "1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "tomato"
    assert main([*TRAIN, "--output", str(path), "--no-show"]) == 0
    return path


def document(capsys) -> dict:
    """The one JSON document on standard output."""
    return json.loads(capsys.readouterr().out)


def test_the_overview_names_every_command(capsys):
    assert main([]) == 0
    overview = capsys.readouterr().out
    assert all(f"  {name} " in overview for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    assert f"twosome {name}" in text
    assert "Examples" in text


def test_the_help_of_train_shows_the_presets_own_defaults(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--env", "FoodPreparation", "--help"])
    assert "0.95" in capsys.readouterr().out


def test_a_misspelt_command_gets_a_suggestion(capsys):
    assert main(["trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_train_in_json_says_where_the_run_is_and_how_it_ended(tmp_path, capsys):
    assert main([*TRAIN, "--output", str(tmp_path / "run"), "--json"]) == 0
    result = document(capsys)
    assert result["run"] == str(tmp_path / "run")
    assert result["last"]["decisions"] == 256
    assert result["config"]["env"] == "TomatoSalad"


def test_eval_says_what_was_measured_and_repeats_itself(run, capsys):
    results = []
    for _ in range(2):
        assert main(["eval", str(run), "--episodes", "5", "--seed", "3", "--json"]) == 0
        results.append(document(capsys))
    assert results[0] == results[1]
    expected = {
        "env",
        "episodes",
        "success_rate",
        "return_mean",
        "return_ci95",
        "length_mean",
        "seed",
        "model",
        "adapter",
    }
    assert expected <= set(results[0])
    assert results[0]["env"] == "twosome/TomatoSalad-v0"
    assert len(results[0]["adapter"]) == 64


def test_eval_of_baselines_and_of_the_untrained_model(capsys):
    returns = {}
    for arguments in (["--policy", "random"], ["--model", "hearth"], ["--policy", "planner"]):
        assert main(["eval", *arguments, "--env", "TomatoSalad", "--episodes", "60", "--json"]) == 0
        returns[arguments[1]] = document(capsys)["return_mean"]
    assert returns["random"] < returns["hearth"] < returns["planner"]
    assert returns["planner"] == pytest.approx(0.920518092564195)


def test_eval_takes_a_run_to_another_world(run, capsys):
    arguments = ["eval", str(run), "--env", "TomatoLettuceSalad", "--env-kwargs", '{"task": "onion salad"}']
    assert main([*arguments, "--episodes", "2", "--json"]) == 0
    result = document(capsys)
    assert result["env_kwargs"] == {"task": "onion salad"}


def test_show_prints_the_comparison_and_makes_the_pictures(run, capsys):
    assert main(["show", str(run), "--episodes", "3"]) == 0
    text = capsys.readouterr().out
    for word in (
        "random",
        "hearth, untrained",
        "hearth, trained",
        "optimal planner",
        "learning_curve.png",
        "episode.gif",
    ):
        assert word in text
    assert (run / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert (run / "episode.gif").read_bytes()[:6] == b"GIF89a"


def test_score_gives_tokens_that_add_up_and_policies_that_sum_to_one(capsys):
    arguments = ["score", "You want to make a soup. Now you", "take the pot", "pick up the tomato", "sleep", "--json"]
    assert main(arguments) == 0
    for i, row in enumerate((result := document(capsys))["actions"]):
        assert row["log_prob"] == pytest.approx(sum(token["log_prob"] for token in row["tokens"]), abs=1e-4)
        assert "".join(token["token"] for token in row["tokens"]).strip() == arguments[2 + i]
    for name in ("none", "token", "word", "byte", "pmi"):
        assert sum(row["policy"][name] for row in result["actions"]) == pytest.approx(1.0)


def test_score_reads_a_trained_run(run, capsys):
    assert main(["score", "You want to make a soup. Now you", "stir the soup", "sleep", "--model", str(run)]) == 0
    assert "stir the soup" in capsys.readouterr().out


def test_envs_lists_the_worlds(capsys):
    assert main(["envs", "--json"]) == 0
    ids = {world["id"] for world in document(capsys)}
    assert {
        f"twosome/{name}-v0" for name in ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")
    } <= ids
    assert main(["envs"]) == 0
    assert "TomatoSalad" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--env", "TomatoSald"], ["TomatoSald", "TomatoSalad"]),
        (["train", "--actor-lr", "-1"], ["--actor-lr", "greater than 0"]),
        (["train", "--model", "./no-such-folder"], ["no-such-folder"]),
        (["train", "--env-kwargs", '{"layout": "Z"}'], ["layout", "'A'"]),
        (["train", "--resume", "nowhere"], ["nowhere", "not a run directory"]),
        (["train", "--resume", "nowhere", "--actor-lr", "1"], ["leave out the other settings"]),
        (["eval"], ["--model hearth"]),
        (["eval", "nowhere"], ["nowhere", "not a run directory"]),
        (["eval", "--model", "hearth", "--episodes", "0"], ["--episodes"]),
        (["show", "nowhere"], ["nowhere"]),
        (["score", "A prompt", ""], ["empty"]),
        (["train", "--output", "/proc/nowhere"], ["cannot write", "--output"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_every_mistake_gets_one_paragraph_and_a_nonzero_exit(arguments, words, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    message = captured.err.strip().splitlines()[-1]
    assert message.startswith("twosome: ")
    assert "Traceback" not in captured.err
    for word in words:
        assert word in message


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(capsys):
    assert main(["score", "word " * 3000, "go on"]) == 1
    assert "tokens" in capsys.readouterr().err


def test_output_that_nobody_reads_to_the_end_is_no_error():
    command = f"{sys.executable} -m twosome envs | head -n 1"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert "Traceback" not in answer.stderr
