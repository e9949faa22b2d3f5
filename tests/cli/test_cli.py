"""The command: it teaches, it answers in JSON, and it explains what went wrong."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from twosome import extras, models
from twosome.agent import Agent
from twosome.cli import COMMANDS, main
from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.evaluate.evaluator import evaluator_for
from twosome.progress import Progress
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer
from twosome.trust import ChangedRunWarning

TRAIN = ["train", "--num-envs", "2", "--rollout-steps", "32", "--total-steps", "128"]


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


@pytest.mark.parametrize(("env", "budget"), [("TomatoSalad", 10000), ("FoodPreparation", 20000)])
def test_the_help_of_train_shows_the_presets_own_defaults(env, budget, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--env", env, "--help"])
    (shown,) = re.findall(r"--total-steps INT .*?\(default: (\d+)\)", capsys.readouterr().out, re.DOTALL)
    assert int(shown) == budget


def test_a_misspelt_command_gets_a_suggestion(capsys):
    assert main(["trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err


def test_train_in_json_says_where_the_run_is_and_how_it_ended(tmp_path, capsys):
    assert main([*TRAIN, "--output", str(tmp_path / "run"), "--json"]) == 0
    result = document(capsys)
    assert result["run"] == str(tmp_path / "run")
    assert result["last"]["decisions"] == 128
    assert result["config"]["env"] == "twosome/TomatoSalad-v0"


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
        assert main(["eval", *arguments, "--env", "TomatoSalad", "--episodes", "20", "--json"]) == 0
        returns[arguments[1]] = document(capsys)["return_mean"]
    assert returns["random"] < returns["hearth"] < returns["planner"]
    assert returns["planner"] == pytest.approx(0.920518092564195)


def test_eval_takes_a_run_to_another_environment(run, capsys):
    kwargs = {"task": "onion salad", "rewards": {"step": -1.0}}
    arguments = ["eval", str(run), "--env", "TomatoLettuceSalad", "--env-kwargs", json.dumps(kwargs)]
    assert main([*arguments, "--episodes", "2", "--json"]) == 0
    result = document(capsys)
    assert (result["env"], result["env_kwargs"]) == ("twosome/TomatoLettuceSalad-v0", kwargs)
    assert -result["length_mean"] <= result["return_mean"] < -10  # a dish brings 1, a step costs as much


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
        "watch.html",
    ):
        assert word in text
    assert (run / "learning_curve.png").read_bytes()[:4] == b"\x89PNG"
    assert (run / "episode.gif").read_bytes()[:6] == b"GIF89a"


def test_show_keeps_the_numbers_of_a_finished_run_and_leaves_those_that_were_there(run, capsys):
    for name in ("evaluation.json", "untrained.json"):
        (run / name).unlink(missing_ok=True)
    for episodes in ("3", "2"):
        assert main(["show", str(run), "--episodes", episodes]) == 0
        capsys.readouterr()
        for name in ("evaluation.json", "untrained.json"):
            assert json.loads((run / name).read_text())["episodes"] == 3


def test_score_gives_tokens_that_add_up_and_policies_that_sum_to_one(capsys):
    arguments = ["score", "You want to make a soup. Now you", "take the pot", "pick up the tomato", "sleep", "--json"]
    assert main(arguments) == 0
    for i, row in enumerate((result := document(capsys))["actions"]):
        assert row["log_prob"] == pytest.approx(sum(token["log_prob"] for token in row["tokens"]), abs=1e-4)
        assert "".join(token["token"] for token in row["tokens"]).strip() == arguments[2 + i]
    for name in ("none", "token", "word", "byte", "pmi", "learned"):
        assert sum(row["policy"][name] for row in result["actions"]) == pytest.approx(1.0)
    learned = np.array([row["policy"]["learned"] for row in result["actions"]])
    assert -(learned * np.log(learned)).sum() / np.log(3) == pytest.approx(TrainConfig.target_entropy, abs=1e-3)
    assert result["temperature"] > 0
    assert result["prior_weight"] == 1


def test_score_reads_a_trained_run(run, capsys):
    situation = Decision("You want to make a soup. Now you", ("stir the soup", "sleep"))
    policies = {}
    for model in (str(run), "hearth"):
        assert main(["score", situation.prompt, *situation.actions, "--model", model, "--json"]) == 0
        policies[model] = [row["policy"]["learned"] for row in document(capsys)["actions"]]
    assert policies[str(run)] == pytest.approx(Agent.load(run).distribution(situation).tolist(), abs=1e-6)
    assert policies[str(run)] != pytest.approx(policies["hearth"], abs=1e-5)


def test_envs_lists_the_environments(capsys):
    assert main(["envs", "--json"]) == 0
    ids = {env["id"] for env in document(capsys)}
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
        (["train", "--resume", "nowhere"], ["no run directory nowhere", "--env"]),
        (["train", "--resume", "nowhere", "--actor-lr", "1"], ["leave out the other settings"]),
        (["eval"], ["--model hearth"]),
        (["eval", "nowhere"], ["no run directory nowhere", "--env"]),
        (["eval", "--model", "hearth", "--episodes", "0"], ["--episodes"]),
        (["eval", "--policy", "random", "--seed", "-1"], ["--seed is -1", "at least 0"]),
        (["eval", "--policy", "random", "--threads", "0"], ["--threads is 0", "at least 1"]),
        (["eval", "--policy", "random", "--model", "hearth"], ["--model", "--policy random"]),
        (["eval", "--policy", "planner", "--greedy", "--normalization", "byte"], ["--greedy", "--normalization"]),
        (["eval", "--policy", "random", "--checkpoint", "best"], ["--checkpoint", "--policy random"]),
        (["eval", "--policy", "random", "--dtype", "float16"], ["--dtype", "--policy random"]),
        (["eval", "--model", "hearth", "--checkpoint", "nonsense"], ["--checkpoint", "--model hearth"]),
        (["eval", "--model", "hearth", "--device", "abacus"], ["abacus"]),
        (["score", "A prompt", "go", "--model", "hearth", "--device", "abacus"], ["abacus"]),
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


@pytest.mark.parametrize(
    ("command", "arguments", "words"),
    [
        ("show", ["--episodes", "0"], ["--episodes is 0", "at least 1"]),
        ("show", ["--seed", "-1"], ["--seed is -1", "at least 0"]),
        ("show", ["--episodes", "-3", "--json"], ["--episodes is -3"]),
        ("eval", ["--seed", "-1"], ["--seed is -1"]),
        ("eval", ["--model", "hearth", "--checkpoint", "best"], ["--checkpoint", "--model hearth"]),
        ("eval", ["--prompt-format", "chat"], ["--prompt-format", "its own settings"]),
        ("eval", ["--model", "hearth", "--dtype", "float16"], ["--dtype", "its own settings"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_mistakes_about_a_run_are_explained_before_anything_is_printed(run, command, arguments, words, capsys):
    assert main([command, str(run), *arguments]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert all(word in captured.err for word in words)


@pytest.mark.parametrize("tuning", ["lora", "full"])
@pytest.mark.parametrize("normalization", ["pmi", "learned"])
def test_a_run_is_scored_as_it_was_trained_and_not_otherwise(normalization, tuning, tmp_path, capsys):
    path = tmp_path / "run"
    settings = [
        "--normalization",
        normalization,
        "--tuning",
        tuning,
        "--actor-lr",
        "1e-3",
        "--context-free-prompt",
        "You are at home. Now you",
    ]
    assert main([*TRAIN, *settings, "--output", str(path), "--no-show"]) == 0
    capsys.readouterr()
    assert main(["score", "You want soup. Now you", "stir the soup", "go to bed", "--model", str(path), "--json"]) == 0
    policies = [row["policy"][normalization] for row in document(capsys)["actions"]]
    actor = Agent.load(path).actor
    expected = actor.probabilities([Decision("You want soup. Now you", ("stir the soup", "go to bed"))])[0]
    assert policies == pytest.approx(expected.tolist(), abs=1e-6)
    assert main(["score", "You want soup. Now you", "stir", "--model", str(path), "--dtype", "float32"]) == 1
    assert "--dtype" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["score", "You wait. Now you", "go", "stay"], ["eval", "--episodes", "1"]])
def test_a_model_is_loaded_as_the_flags_say(command, monkeypatch, capsys):
    asked, load = {}, ActionScorer.from_pretrained

    def watched(name, **settings):
        asked.update(settings)
        return load(name)

    monkeypatch.setattr(ActionScorer, "from_pretrained", watched)
    monkeypatch.setattr(extras, "_installed", lambda module: True)
    flags = ["--dtype", "bfloat16", "--device", "cpu", "--quantization", "4bit", "--trust-remote-code"]
    assert main([*command, "--model", "hearth", *flags, "--prompt-format", "chat", "--json"]) == 0
    wanted = {
        "dtype": "bfloat16",
        "device": "cpu",
        "quantization": "4bit",
        "trust_remote_code": True,
        "prompt_format": "chat",
    }
    assert asked == wanted
    if command[0] == "eval":
        assert document(capsys)["loading"] == wanted, "needed to repeat the measurement"


def test_what_rounds_to_nothing_has_no_sign(capsys):
    row = {"update": 1, "decisions": 128, "env_steps": 300, "return_mean": -0.0001, "success_rate": None}
    with Progress(TrainConfig()) as progress:
        progress.update({**row, "approx_kl": -1e-9, "entropy": -0.01})
    printed = capsys.readouterr().err
    for text in ("return +0.000", "KL 0.0000", "entropy -0.01"):
        assert text in printed


def test_what_the_user_wrote_is_printed_as_it_is(capsys):
    assert main(["score", "a [/foo] prompt :smile:", "[bold]go", "[red]stop[/red]"]) == 0
    printed = capsys.readouterr().out
    for text in ("a [/foo] prompt :smile:", "[bold]go", "[red]stop[/red]"):
        assert text in printed


def test_a_run_may_lie_in_a_folder_with_brackets_in_its_name(tmp_path, capsys):
    model = tmp_path / "a folder whose path is so long that a picture has no room for it" / "model [/b]"
    shutil.copytree(models.path("hearth"), model)
    path = tmp_path / "[/i] run"
    env = ["--env", "TomatoSalad", "--model", str(model)]
    assert main([*TRAIN, *env, "--output", str(path), "--no-show"]) == 0
    # A line may end at any blank, and in any long word.
    assert "model[/b]" in "".join(capsys.readouterr().err.split())
    assert main(["show", str(path), "--episodes", "1"]) == 0
    assert "[/i]run/learning_curve.png" in "".join(capsys.readouterr().out.split())


def test_an_environment_that_cannot_draw_itself_gets_everything_but_the_film(tmp_path, capsys):
    path = tmp_path / "run"
    env = "tests.environments:twosome-tests/Counting-v0"
    assert main(["train", "--env", env, "--total-steps", "256", "--output", str(path)]) == 0
    printed = capsys.readouterr().out
    assert "no film" in printed
    assert "rgb_array" in printed
    assert (path / "learning_curve.png").exists()
    assert not (path / "episode.gif").exists()


def test_returns_with_another_discount_are_not_drawn_beside_the_curve(run, tmp_path, capsys):
    other = tmp_path / "other"
    assert main([*TRAIN, "--gamma", "0.9", "--output", str(other), "--no-show"]) == 0
    capsys.readouterr()
    printed = []
    for path in (run, other):
        assert main(["show", str(path), "--episodes", "1"]) == 0
        printed.append(" ".join(capsys.readouterr().out.split()))
    sentence = "The curve counts returns with the run's --gamma 0.9, the table with the environment's 0.99"
    assert sentence in printed[1]
    assert sentence[:22] not in printed[0]


def test_trained_and_untrained_play_on_the_device_of_the_run(run, monkeypatch):
    devices, load = [], ActionScorer.from_pretrained

    def watched(name, **settings):
        devices.append(settings["device"])
        return load(name, **settings)

    monkeypatch.setattr(ActionScorer, "from_pretrained", watched)
    config = RunDirectory.open(run).read_config() | {"device": "cpu"}
    monkeypatch.setattr(RunDirectory, "read_config", lambda self: config)
    for model in (None, "hearth"):
        with pytest.warns(ChangedRunWarning, match="device is 'cpu' and was 'auto'"):
            evaluator_for(run=run, model=model)
    assert devices == ["cpu", "cpu"]


def test_a_prompt_longer_than_the_context_is_refused_with_both_lengths(capsys):
    assert main(["score", "word " * 3000 + "word", "go on"]) == 1
    assert "tokens" in capsys.readouterr().err


def test_output_that_nobody_reads_to_the_end_is_no_error():
    command = f"{sys.executable} -m twosome envs | head -n 1"
    answer = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert answer.returncode == 0
    assert "Traceback" not in answer.stderr


def test_a_dry_run_says_what_a_run_would_take_and_makes_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = ["train", "--num-envs", "2", "--rollout-steps", "8", "--total-steps", "256", "--dry-run"]
    assert main([*small, "--json"]) == 0
    plan = document(capsys)
    memory = plan["memory"]
    assert memory["total"] == sum(memory[name] for name in memory if name not in ("reading", "total"))
    assert plan["updates"] == 16
    assert main(small) == 0
    assert "most at once" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())
