"""The grid: checked as a whole, carried out to the end whatever happens, never done twice."""

import contextlib
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from twosome.baselines.config import MlpConfig
from twosome.baselines.saycan import experience_of
from twosome.cli import main
from twosome.cli.train import parse_train
from twosome.config import TrainConfig
from twosome.errors import RunError
from twosome.experiment import baseline, state, work
from twosome.experiment.grid import read_grid
from twosome.experiment.kind import BASELINES
from twosome.experiment.measurement import MEASUREMENTS
from twosome.experiment.settings import flags, recorded
from twosome.experiment.state import state_of
from twosome.report.numbers import Results
from twosome.run_files import file_lock
from twosome.runs import RunDirectory
from twosome.trust import Consent

ROOT = Path(__file__).parents[2]
IN_A_PROCESS = work.Worker._run
"""What `commands` stands in for."""

GRID = """
name = "tiny"
output = "{output}"
seeds = [1, 2]
envs = ["TomatoSalad"]
[settings]
total_steps = 128
[methods.word]
normalization = "word"
[methods.scratch]
kind = "ppo-mlp"
[evaluation]
episodes = 2
"""


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(GRID.format(output=tmp_path / "runs"))
    return path


def changed(file: Path, old: str, new: str) -> Path:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    return file


@pytest.fixture
def commands(monkeypatch) -> list[list[str]]:
    """The commands that an experiment runs, each in this process, so that torch is loaded once."""
    seen: list[list[str]] = []

    def run(self, words, task, claim):
        seen.append(words)
        answer = io.StringIO()
        with contextlib.redirect_stdout(answer):
            code = baseline.main(words[1:]) if words[0] == "twosome.experiment.baseline" else main(words[1:])
        if code:
            raise RunError("it failed")
        return answer.getvalue()

    monkeypatch.setattr(work.Worker, "_run", run)
    return seen


def carry_out(file: Path, capsys) -> tuple[int, dict[str, str]]:
    """The exit code, and how each run ended."""
    code = main(["experiment", str(file), "--parallel", "1", "--json"])
    return code, {row["what"]: row["state"] for row in json.loads(capsys.readouterr().out)["runs"]}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("normalization =", "normalisation =", "Did you mean 'normalization'"),
        ("total_steps =", "total_step =", "Did you mean 'total_steps'"),
        ("seeds =", "seed =", "Did you mean 'seeds'"),
        ("episodes =", "epsodes =", "Did you mean 'episodes'"),
        ('"word"', '"wrod"', "expected one of none, token, word, byte, pmi, learned. Did you mean 'word'?"),
        ('["TomatoSalad"]', '["TomatoSald"]', "Did you mean 'TomatoSalad'"),
        ('"ppo-mlp"', '"ppo-mpl"', "Did you mean 'ppo-mlp'"),
        ('"ppo-mlp"', '"mine:best"', "for its kind of method 'mine:best'"),
        ('"ppo-mlp"', "3", "expected a text, such as 'ppo-mlp'"),
        ('kind = "ppo-mlp"', 'kind = "ppo-mlp"\nnormalization = "word"', "'normalization', which is not known there"),
        ('"ppo-mlp"', '"saycan"\naffordance_from = "planner"', "expected one of random, ppo"),
        ("total_steps = 128", "total_steps = 128.5", "expected a whole number"),
        ("total_steps = 128", "total_steps = 100", "word on TomatoSalad: --total-steps is 100"),
        ("total_steps = 128", "total_steps = true", "expected a whole number"),
        ('normalization = "word"', "seed = 3", "the grid sets"),
        ('normalization = "word"', "env_kwargs = {}", "use \\[env.WORLD\\]"),
        ('normalization = "word"', "env.TomatoSalad.env_kwargs = {}", "use \\[env.WORLD\\]"),
        ('normalization = "word"', "env.TomatoSald.clip = 0.1", "Did you mean 'TomatoSalad'"),
        ('kind = "ppo-mlp"', 'kind = "ppo-mlp"\nenv.TomatoSalad.clop = 0.1', "Did you mean 'clip'"),
        ('normalization = "word"', "env = 3", "[methods.word.env]"),
        ('normalization = "word"', "env.TomatoSalad = 3", "[methods.word.env.TomatoSalad]"),
        ("total_steps = 128", 'env_kwargs = {layout = "B"}', "'ppo-mlp' do not take"),
        ("[settings]", "[env.Entertainment]", "env"),
        ("[1, 2]", "[1, 1]", "different"),
        ("[settings]", 'also = ["gredy"]\n[settings]', "Did you mean 'greedy'"),
        ("[settings]", "also = [1]\n[settings]", "expected a list of measurements"),
        ("[settings]", 'also = ["mine:words"]\n[settings]', "wants to import the Python module 'mine'"),
        ("[settings]", 'also = ["generalize:kitchen"]\n[settings]', "Did you mean 'generalize:kitchens'"),
        ('kind = "ppo-mlp"', 'kind = "ppo-mlp"\nalso = ["greedy"]', "'also', which is not known there"),
        ('["TomatoSalad"]', '["TomatoSalad", "twosome/TomatoSalad"]', "different"),
        ("[1, 2]", "[]", "at least one"),
        ("[1, 2]", "[-1]", "none below 0"),
        ("[1, 2]", '["1"]', "whole numbers"),
        ("episodes = 2", "episodes = 0", "at least 1"),
        ("methods.word", 'methods."a/b"', "a folder too"),
        ("[settings]", "[settings", "not TOML"),
        ("[settings]", '[settings]\nlora_targets = ["--trust-remote-code"]', "begins with a dash"),
        ('"tiny"', '" "', "expected a printable name"),
        ('output = "', 'output = "" # "', "expected a folder"),
        ('output = "', 'output = "." # "', "expected a folder"),
        ('output = "', 'output = ".." # "', "expected a folder"),
        ('output = "', 'output = "/" # "', "expected a folder"),
        ('output = "', f'output = "{"x" * 300}" # "', "more than 200 bytes"),
        ('"tiny"', '"a\\u001bb"', "printable"),
        ('"tiny"', f'"{"x" * 300}"', "at most 100 characters"),
        ("methods.word", 'methods."random.json"', "no .json at the end"),
        ("methods.word", f"methods.{'x' * 500}", "a folder too"),
        ("total_steps = 128", "total_steps = 1e4", "expected a whole number, such as 10000"),
        ("total_steps = 128", f"total_steps = 0x{'f' * 1000}", "more than 64 bits"),
        ("total_steps = 128", f"total_steps = {'[' * 100 + ']' * 100}", "nested"),
        ("total_steps = 128", "clip = inf", "clip is inf; expected"),
        ('kind = "ppo-mlp"', 'kind = "ppo-mlp"\nhidden = 100000000', "hidden is 100000000; expected"),
        ('kind = "ppo-mlp"', 'kind = "saycan"\nmodel = "a\\u0000"', "no file or name can have"),
        ("total_steps = 128", f"{'x' * 1000} = 1", "which is not known there"),
        ('["TomatoSalad"]', '["TomatoSalad", "twosome/TomatoSalad-v0"]', "are the same environment"),
        ('["TomatoSalad"]', '["TomatoSalad", "TomatoSalad-v0"]', "are the same environment"),
        ('["TomatoSalad"]', "[[1]]", "names of environments"),
        ('["TomatoSalad"]', f'["{"x" * 1000}"]', "names of environments"),
        ("episodes = 2", "episodes = 2\nseed = 4294967296", "seed is 4294967296; expected"),
    ],
)
def test_a_mistake_in_the_file_is_explained_before_anything_runs(file, commands, capsys, old, new, said):
    assert main(["experiment", str(changed(file, old, new))]) == 1
    message = capsys.readouterr().err
    assert str(file) in message
    assert said.replace("\\", "") in message
    assert not commands
    assert not (file.parent / "runs").exists()


@pytest.mark.parametrize(
    ("method", "old"), [("word", 'normalization = "word"'), ("scratch", 'kind = "ppo-mlp"')], ids=["trained", "saycan"]
)
def test_a_missing_model_is_explained_before_anything_runs(file, commands, capsys, method, old):
    kind = "" if method == "word" else '\nkind = "saycan"'
    changed(file, old, f'model = "runs/models/none"\nnum_envs = 4\nrollout_steps = 32{kind}')
    assert main(["experiment", str(file)]) == 1
    assert f"{method} on TomatoSalad: there is no folder 'runs/models/none'" in capsys.readouterr().err
    assert not commands
    assert not (file.parent / "runs").exists()


def test_a_finished_run_does_without_its_model(file, capsys, monkeypatch):
    monkeypatch.setattr(state, "state_of", lambda cell: "done")
    changed(file, 'normalization = "word"', 'model = "runs/models/none"\nnum_envs = 4\nrollout_steps = 32')
    assert main(["experiment", str(file), "--dry-run"]) == 0


def test_the_examples_are_valid(tmp_path):
    (page,) = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "experiments.md").read_text(), re.DOTALL)
    (tmp_path / "page.toml").write_text(page)
    examples = [tmp_path / "page.toml", *(ROOT / "benchmarks" / "experiments").glob("*.toml")]
    sizes = {"other-worlds": 200}
    if importlib.util.find_spec("minigrid") is None:  # an extra, which no other example needs
        examples = [example for example in examples if example.stem not in sizes]
        sizes = {}
    for module in ("prompt_worlds", "history_and_actions", "across"):  # or they would take consent
        importlib.import_module(f"benchmarks.{module}")
    runs = {example.stem: len(read_grid(example).cells) for example in examples}
    sizes |= {"calibration": 135, "learned": 20, "methods": 240, "normalization": 50, "prompts": 35, "learning": 240}
    sizes |= {"scratch-tuning": 120, "generalization": 20, "kitchens": 10, "retention": 20, "retention-long": 10}
    sizes |= {"learning-rates": 54, "gemma-kitchens": 3, "gemma-normalization-kitchen": 9, "gemma-scratch": 40}
    sizes |= {"generate": 40, "gemma": 15, "gemma-saycan": 6, "gemma-normalization": 9}
    sizes |= {"gemma-variations": 6, "gemma-unmasked": 4, "gemma-lettuce": 3, "gemma-generate": 2, "gemma-unseen": 3}
    sizes |= {"actions": 45, "history": 20, "across": 30}
    assert runs == {"page": 10, "quick": 6, "sizes": 60, "tuning": 15, **sizes}


def test_a_quick_version_is_short_and_stays_out_of_the_way(file):
    changed(file, "total_steps = 128", "total_steps = 20000")
    changed(file, "episodes = 2", "episodes = 500")
    changed(file, "[methods.scratch]", "[methods.short]\ntotal_steps = 256\n[methods.scratch]")
    whole, quick = read_grid(file), read_grid(file, quick=True)
    assert [(cell.method, cell.seed, cell.config.total_steps) for cell in quick.cells] == [
        ("word", 1, 1536),
        ("short", 1, 256),
        ("scratch", 1, 1536),
    ]
    assert {task.evaluation.episodes for task in (*quick.cells, *quick.references)} == {50}
    assert (quick.name, quick.output) == ("tiny-quick", whole.output.with_name("runs-quick"))
    assert not {cell.path for cell in quick.cells} & {cell.path for cell in whole.cells}


def test_a_quick_version_has_at_least_one_rollout(file):
    changed(file, "total_steps = 128", "total_steps = 20000\nnum_envs = 16\nrollout_steps = 128")
    changed(file, '[methods.scratch]\nkind = "ppo-mlp"\n', "")
    (cell,) = read_grid(file, quick=True).cells
    assert cell.config.total_steps == 16 * 128


def test_who_is_compared_is_measured_again_in_another_environment(file, commands):
    changed(file, '[methods.scratch]\nkind = "ppo-mlp"\n', "")
    changed(file, "[settings]", '[settings]\nenv_kwargs = {layout = "A"}')
    random = next(task for task in read_grid(file).references if task.policy == "random")
    random.path.parent.mkdir(parents=True)
    words = ["eval", "--policy", "random", "--env", "TomatoSalad", "--episodes", "2", "--seed", "10000", "--json"]
    answer = io.StringIO()
    with contextlib.redirect_stdout(answer):
        assert main([*words, "--env-kwargs", '{"layout": "B"}']) == 0
    random.path.write_text(answer.getvalue())
    assert state_of(random) == "new"
    random.path.write_text(answer.getvalue().replace('"B"', '"A"'))
    assert state_of(random) == "done"


def test_a_file_that_is_not_there_is_explained(tmp_path, capsys):
    assert main(["experiment", str(tmp_path / "no.toml")]) == 1
    assert "there is no file" in capsys.readouterr().err


def test_what_is_closer_to_the_method_wins(file):
    text = file.read_text().replace(
        "[methods.word]", "[env.TomatoSalad]\nclip = 0.3\nepochs = 2\n[methods.word]\nepochs = 3"
    )
    file.write_text(text.replace("total_steps = 128", "total_steps = 256\nclip = 0.1\nactor_lr = 1e-4"))
    word, scratch = (
        next(cell for cell in read_grid(file).cells if cell.kind == kind) for kind in ("twosome", "ppo-mlp")
    )
    assert isinstance(word.config, TrainConfig)
    assert isinstance(scratch.config, MlpConfig)
    assert (word.config.clip, word.config.epochs, word.config.actor_lr) == (0.3, 3, 1e-4)
    file.write_text(file.read_text().replace("epochs = 3", "epochs = 3\nenv.TomatoSalad.epochs = 4"))
    assert {cell.given["epochs"] for cell in read_grid(file).cells if cell.kind == "twosome"} == {4}
    # PPO from scratch takes the settings that it knows, and its budget from the preset where none is given.
    assert (scratch.config.clip, scratch.config.epochs, scratch.config.total_steps) == (0.3, 2, 256)
    file.write_text(file.read_text().replace("total_steps = 256", ""))
    assert {cell.config.total_steps for cell in read_grid(file).cells} == {10_000}


def test_a_dry_run_lists_everything_and_does_nothing(file, commands, capsys):
    assert main(["experiment", str(file), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for name in ("random", "planner", "word seed 1", "scratch seed 2"):
        assert f"TomatoSalad {name}" in printed
    assert "6 of 6 to do" in printed
    assert not commands
    assert not (file.parent / "runs").exists()


def test_a_grid_is_carried_out_once_and_can_be_reported(file, commands, capsys):
    code, ended = carry_out(changed(file, "[1, 2]", "[1]"), capsys)
    assert code == 0
    assert set(ended.values()) == {"done"}
    assert len(ended) == 4
    runs = file.parent / "runs" / "TomatoSalad"
    # Random, planner, PPO from scratch, a run that is trained and measured, its model untrained.
    assert len(commands) == 2 + 1 + 2 + 1
    names = {"update", "decisions", "env_steps", "episodes", "return_mean", "success_rate", "length_mean"}
    for method in ("word", "scratch"):
        run = RunDirectory.open(runs / method / "seed-1")
        (row,) = run.read_metrics()
        assert names <= set(row)
        evaluation = json.loads((run.path / "evaluation.json").read_text())
        assert (evaluation["episodes"], evaluation["seed"]) == (2, 10_000)
        assert evaluation["hardware"]["cores"]

    commands.clear()
    assert carry_out(file, capsys)[0] == 0
    assert not commands

    assert main(["report", str(file.parent / "runs"), "--json"]) == 0
    (env,) = json.loads(capsys.readouterr().out)["worlds"].values()
    assert set(env["references"]) == {"random", "planner", "hearth, untrained, word"}
    assert {name: method["return"]["seeds"] for name, method in env["methods"].items()} == {"scratch": 1, "word": 1}

    # Other episodes are measured anew, without training again.
    carry_out(changed(file, "episodes = 2", "episodes = 3"), capsys)
    assert not [words for words in commands if words[1] == "train"]
    assert len([words for words in commands if words[1] == "eval"]) == 2 + 1 + 1


def test_saycan_in_a_grid_is_that_of_eval_and_can_be_reported(file, commands, capsys):
    saycan = 'kind = "saycan"\ngreedy = true\nnormalization = "none"\ntotal_steps = 1280'
    changed(changed(file, "[1, 2]", "[1]"), 'kind = "ppo-mlp"', saycan)
    changed(file, "[evaluation]", f'[methods.with_ppo]\n{saycan}\naffordance_from = "ppo"\n[evaluation]')
    assert carry_out(file, capsys)[0] == 0
    runs = file.parent / "runs" / "TomatoSalad"
    found, other = (
        json.loads((runs / name / "seed-1/evaluation.json").read_text()) for name in ("scratch", "with_ppo")
    )
    options = "--policy saycan --affordance-decisions 1280 --normalization none --greedy --episodes 2 --seed 10000"
    assert main(["eval", *options.split(), "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert found["return_mean"] == expected["return_mean"]
    assert (found["policy"], found["config"]["greedy"], other["config"]["affordance_from"]) == ("saycan", True, "ppo")
    for name, config in ((cell.method, cell.config) for cell in read_grid(file).cells if cell.kind == "saycan"):
        (row,) = RunDirectory.open(runs / name / "seed-1").read_metrics()
        assert row["episodes"] == experience_of(config).episodes

    assert main(["report", str(file.parent / "runs"), "--json"]) == 0
    (env,) = json.loads(capsys.readouterr().out)["worlds"].values()
    assert env["methods"]["scratch"]["return"]["median"] == found["return_mean"]


def test_the_untrained_model_is_measured_once_for_each_way_of_asking(file):
    changed(
        file,
        "[methods.scratch]",
        '[methods.none]\nnormalization = "none"\n[methods.slow]\nnormalization = "word"\nclip = 0.1\n[methods.scratch]',
    )
    measured = [(cell.method, cell.seed) for cell in read_grid(file).cells if cell.untrained]
    assert measured == [("word", 1), ("none", 1)]


def test_settings_that_changed_under_a_finished_run_are_refused(file, commands, capsys):
    cell = read_grid(file).cells[0]
    RunDirectory.create(cell.path, {**recorded(cell.config), "output": None, "gamma": 0.99}, {})
    main(["experiment", str(changed(file, "total_steps = 128", "total_steps = 256")), "--dry-run"])
    assert "was made with total_steps = 128, and the file now says 256" in capsys.readouterr().err


def test_a_run_that_fails_does_not_stop_the_others(file, capsys, monkeypatch):
    def run(self, words, task, claim):
        if words[1] == "train" and task.seed == 1:
            raise RunError("out of luck")
        return "{}"

    monkeypatch.setattr(work.Worker, "_run", run)
    monkeypatch.setattr(work, "write_json", lambda path, content: None)
    assert main(["experiment", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "1 of 6 failed:\n  TomatoSalad word seed 1: out of luck" in printed
    assert "5 of 6 done" in printed


def test_what_another_process_is_at_is_left_alone(file, commands, capsys):
    changed(file, "[1, 2]", "[1]")
    path = read_grid(file).cells[0].path
    path.parent.mkdir(parents=True)
    with file_lock(path.with_suffix(".lock")) as claim:
        assert claim is not None
        code, ended = carry_out(file, capsys)
    assert code == 0
    assert ended["TomatoSalad word seed 1"] == "busy"
    assert ended["TomatoSalad scratch seed 1"] == "done"
    assert not path.exists()


def test_a_run_that_is_trained_by_hand_is_left_alone(file, commands, capsys):
    changed(file, "[1, 2]", "[1]")
    cell = read_grid(file).cells[0]
    run = RunDirectory.create(cell.path, {**recorded(cell.config), "output": None, "gamma": 0.99}, {})
    with run.locked():
        assert carry_out(file, capsys)[1]["TomatoSalad word seed 1"] == "busy"


def test_a_folder_with_something_else_in_it_is_not_touched(file, commands):
    cell = read_grid(file).cells[0]
    cell.path.mkdir(parents=True)
    (cell.path / "thesis.tex").write_text("all of it")
    outcome = work.carry_out(cell, Consent())
    assert outcome.status == "failed"
    assert "thesis.tex" in outcome.reason
    assert not commands
    assert (cell.path / "thesis.tex").read_text() == "all of it"


def test_a_process_that_fails_says_why_and_the_log_has_all_of_it(file):
    (cell, *_) = read_grid(file).cells
    cell.path.parent.mkdir(parents=True)
    with (
        file_lock(cell.path.with_suffix(".lock")) as claim,
        pytest.raises(RunError, match=r"there is no command 'trane'.*seed-1\.log"),
    ):
        work.Worker(Consent())._run(["twosome", "trane"], cell, claim)


def test_a_text_that_looks_like_a_flag_stays_a_value():
    given = {"context_free_prompt": "--seed", "epochs": 2, "lora_targets": ["q_proj"], "env_kwargs": {"layout": "B"}}
    config = parse_train([*flags(given), "--json"]).config
    assert {name: getattr(config, name) for name in given} == {**given, "lora_targets": ("q_proj",)}


@pytest.fixture
def heeds_interruptions():
    """A shell that starts us in the background lets us, and so our processes, ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_interruptions")
def test_an_interruption_reaches_the_processes(file):
    (cell, *_) = read_grid(file).cells
    cell.path.parent.mkdir(parents=True)
    worker = work.Worker(Consent())
    threading.Timer(0.5, worker.interrupt).start()
    with file_lock(cell.path.with_suffix(".lock")) as claim, pytest.raises(work._LeftUndoneError):
        worker._run(["timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)"], cell, claim)


def test_the_lock_of_a_killed_experiment_stays_with_its_process(tmp_path):
    lock = tmp_path / "run.lock"
    parent = (
        "import subprocess, sys, time; from pathlib import Path; from twosome.run_files import file_lock\n"
        f"with file_lock(Path({str(lock)!r})) as claim:\n"
        "    child = subprocess.Popen(['sleep', '60'], pass_fds=(claim,), stdout=subprocess.DEVNULL)\n"
        "    print(child.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    with file_lock(lock) as claim:
        assert claim is None
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: is_free(lock), seconds=10)


def is_free(lock: Path) -> bool:
    with file_lock(lock) as claim:
        return claim is not None


@pytest.mark.slow
def test_a_grid_that_is_killed_goes_on_without_doing_anything_twice(file, capsys):
    changed(file, "total_steps = 128", "total_steps = 512\ncheckpoint_every = 128")
    command = [sys.executable, "-m", "twosome", "experiment", str(file), "--parallel", "1"]
    cells = [cell for cell in read_grid(file).cells if cell.kind == "twosome"]
    first, second = cells
    process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: state_of(first) == "done" and len(RunDirectory(second.path).checkpoints()) >= 2)
        (child,) = children(process)
    finally:
        process.kill()
        process.wait()
    # Its process goes on for a while, keeps its lock, and is then killed too.
    with file_lock(second.path.with_suffix(".lock")) as claim:
        assert claim is None
    os.kill(child, signal.SIGKILL)
    wait_for(lambda: is_free(second.path.with_suffix(".lock")))
    assert state_of(second) == "begun"
    before = (first.path / "evaluation.json").stat().st_mtime_ns
    assert main(["experiment", str(file), "--parallel", "1", "--json"]) == 0
    assert (first.path / "evaluation.json").stat().st_mtime_ns == before
    assert [row["decisions"] for row in RunDirectory(second.path).read_metrics()] == [128, 256, 384, 512]
    assert all(state_of(cell) == "done" for cell in read_grid(file).cells)


def wait_for(condition, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def children(process: subprocess.Popen) -> list[int]:
    """Ids of the processes that a process has started."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(word) for thread in threads for word in thread.read_text().split()]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_grid_is_spread_over_a_local_ray(file, capsys):
    pytest.importorskip("ray")
    changed(file, "[1, 2]", "[1]")
    assert main(["experiment", str(file), "--ray", "--json"]) == 0
    assert {row["state"] for row in json.loads(capsys.readouterr().out)["runs"]} == {"done"}
    assert all(state_of(cell) == "done" for cell in read_grid(file).cells)


def test_further_measurements_are_made_once_and_reported(file, commands, capsys):
    changed(file, "[settings]", 'also = ["greedy"]\n[settings]')
    code, states = carry_out(file, capsys)
    assert code == 0
    assert set(states.values()) == {"done"}
    greedy = [words for words in commands if "--greedy" in words]
    assert len(greedy) == 2  # one for each seed of the method that has a language model
    run = file.parent / "runs" / "TomatoSalad" / "word" / "seed-1"
    found = json.loads((run / "also-greedy.json").read_text())
    assert [row["what"] for row in found["numbers"]] == ["greedy return", "greedy success"]
    assert found["document"]["greedy"] is True

    commands.clear()
    (run / "also-greedy.json").unlink()
    assert carry_out(file, capsys)[0] == 0
    assert [words[:3] for words in commands] == [["twosome", "eval", str(run)]]

    changed(file, "episodes = 2", "episodes = 3")
    commands.clear()
    assert carry_out(file, capsys)[0] == 0
    assert len([words for words in commands if "--greedy" in words]) == 2

    numbers = file.parent / "numbers.json"
    assert main(["report", str(file.parent / "runs"), "--numbers", str(numbers)]) == 0
    rows = Results.load(numbers).numbers
    means = {(row.what, row.method, row.seed) for row in rows if row.world == "TomatoSalad"}
    assert {("greedy return", "word", 1), ("greedy return", "word", 2), ("return", "scratch", 1)} <= means
    assert ("return", "planner", None) in means
    assert "greedy return" in (file.parent / "runs" / "report.md").read_text()


def test_what_cannot_be_measured_is_refused_before_anything_runs(file, commands, capsys, monkeypatch):
    changed(file, "[settings]", 'also = ["retain"]\n[settings]')
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["experiment", str(file)]) == 1
    assert "word on TomatoSalad, also 'retain': retention is measured with" in capsys.readouterr().err
    assert not commands


@pytest.fixture
def own_modules(commands, file, monkeypatch):
    """Commands other than `twosome` run in a process of their own, which has to find the modules by itself."""
    here = work.Worker._run
    monkeypatch.setattr(
        work.Worker, "_run", lambda *given: (here if given[1][0] == "twosome" else IN_A_PROCESS)(*given)
    )
    monkeypatch.chdir(file.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for registry in (MEASUREMENTS, BASELINES):
        monkeypatch.setattr(registry, "_known", dict(registry._known))
    yield
    for name in ("phrases", "counts"):
        sys.modules.pop(name, None)


def write_module(folder: Path, name: str) -> None:
    """The file of that name, as the page has it."""
    page = (ROOT / "docs" / "experiments.md").read_text()
    (code,) = re.findall(rf"```python\n# {name}\n(.*?)```", page, re.DOTALL)
    (folder / name).write_text(code)


@pytest.mark.usefixtures("own_modules")
def test_the_pages_own_measurement_and_baseline_are_carried_out(file, capsys):
    for name in ("phrases.py", "counts.py"):
        write_module(file.parent, name)
    changed(file, "[1, 2]", "[1]")
    changed(file, "[settings]", 'also = ["phrases:words"]\n[settings]')
    changed(file, '[methods.scratch]\nkind = "ppo-mlp"', '[methods.best]\nkind = "counts:best"\noptimism = 0.1')
    assert main(["experiment", str(file), "--parallel", "1", "--trust-env-module", "--json"]) == 0, capsys.readouterr()
    found = json.loads((file.parent / "runs/TomatoSalad/word/seed-1/also-phrases-words.json").read_text())
    (row,) = found["numbers"]
    assert row["what"] == "words of a chosen phrase"
    assert 1 < row["mean"] < 10
    run = file.parent / "runs/TomatoSalad/best/seed-1"
    assert json.loads((run / "evaluation.json").read_text())["episodes"] == 2
    assert json.loads((run / "config.json").read_text())["optimism"] == 0.1
