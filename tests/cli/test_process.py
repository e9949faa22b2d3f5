"""The process of a command: a signal ends it with one line, and output that cannot be written costs nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ranks import begin_command
from twosome.cli import main
from twosome.console import plain_console
from twosome.errors import visible
from twosome.runs import METRICS, RunDirectory

TWOSOME = [sys.executable, "-m", "twosome"]
SMALL = ["train", "--num-envs", "2", "--rollout-steps", "8", "--no-show", "--output", "run"]
LONG = [*SMALL, "--total-steps", "1000000"]
PATIENCE_S = 300
"""For what takes a second on a machine that has nothing else to do."""


def begin(arguments: list[str], folder: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TWOSOME, *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding=environment.get("PYTHONIOENCODING", "utf-8"),
    )


def end(process: subprocess.Popen[str], number: int) -> tuple[int, str, list[str]]:
    """Exit code, standard output and the lines of standard error after a signal."""
    process.send_signal(number)
    out, err = process.communicate(timeout=PATIENCE_S)
    return process.returncode, out, err.splitlines()


def until(met, timeout_s: float = PATIENCE_S) -> None:
    start = time.monotonic()
    while not met():
        assert time.monotonic() - start < timeout_s, "it takes too long"
        time.sleep(0.02)


def is_importing(process: subprocess.Popen[str], library: str) -> bool:
    return library in Path(f"/proc/{process.pid}/maps").read_text()


needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="looks into /proc")


@needs_proc
@pytest.mark.parametrize("library", ["_multiarray_umath", "libtorch_cpu"])
def test_ctrl_c_while_libraries_are_imported_is_one_line(library, tmp_path):
    process = begin(["score", "You wait. Now you", "go", "--json"], tmp_path)
    until(lambda: is_importing(process, library))
    assert end(process, signal.SIGINT) == (130, "", ["twosome: interrupted"])


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("after_s", [0.3, 0.6, 1, 1.5, 2, 3, 4, 5, 6])
def test_ctrl_c_at_any_moment_is_one_line(after_s, tmp_path):
    process = begin(["eval", "--model", "hearth", "--episodes", "100000", "--json"], tmp_path)
    time.sleep(after_s)
    assert end(process, signal.SIGINT) == (130, "", ["twosome: interrupted"])


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_training_saves_at_each_signal_and_goes_on_from_there(number, code, tmp_path):
    process = begin_command(LONG, tmp_path / "out", tmp_path / "err", tmp_path)
    metrics = tmp_path / "run" / METRICS
    until(lambda: metrics.exists() and metrics.read_text().count("\n") > 1)
    os.kill(process.pid, number)
    process.join(PATIENCE_S)
    assert process.exitcode == code
    lines = (tmp_path / "err").read_text().splitlines()
    assert lines[-1].startswith("twosome: stopped after ")
    assert "twosome train --resume run" in lines[-1]
    run = RunDirectory.open(tmp_path / "run")
    assert run.checkpoint("last").name == RunDirectory.checkpoint_name(run.read_metrics()[-1]["decisions"])


def test_what_nohup_ignores_stays_ignored(tmp_path):
    process = subprocess.Popen(
        ["sh", "-c", f"trap '' HUP; exec {' '.join(TWOSOME)} {' '.join(LONG)}"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    metrics = tmp_path / "run" / METRICS
    until(lambda: metrics.exists() and metrics.read_text().count("\n") > 1)
    process.send_signal(signal.SIGHUP)
    seen = metrics.read_text().count("\n")
    until(lambda: metrics.read_text().count("\n") > seen + 2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
@pytest.mark.parametrize("command", ["--help", "envs", "envs --json", "train --help"])
def test_lost_output_is_one_line_and_an_exit_code(command, where, tmp_path):
    answer = subprocess.run(
        f"{' '.join(TWOSOME)} {command} {where}",
        shell=True,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert answer.returncode == 1
    (line,) = answer.stderr.splitlines()
    assert line.startswith("twosome: standard output could not be written: ")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("where", [Path("/dev/full"), None], ids=["full", "closed"])
def test_training_is_not_lost_with_its_output(where, tmp_path):
    process = begin_command([*SMALL, "--total-steps", "64"], where, where, tmp_path)
    process.join(PATIENCE_S)
    assert process.exitcode == 1
    assert RunDirectory.open(tmp_path / "run").checkpoint("last").name == RunDirectory.checkpoint_name(64)


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_output_is_spelled_in_what_its_encoding_has(encoding, tmp_path):
    process = begin(["train", "--help"], tmp_path, PYTHONIOENCODING=encoding)
    out, err = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, err) == (0, "")
    assert out.isascii()
    assert "\\u" not in out
    assert "--seed" in out


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_whole_training_can_be_shown_in_any_encoding(encoding, tmp_path):
    # Episodes so short that enough of them end for a curve.
    small = [word for word in SMALL if word != "--no-show"]
    env = ["--env", "tests.environments:twosome-tests/Counting-v0", "--total-steps", "128"]
    files = tmp_path / "out", tmp_path / "err"
    process = begin_command([*small, *env], *files, tmp_path, encoding)
    process.join(PATIENCE_S)
    assert process.exitcode == 0
    out, err = (file.read_text(encoding) for file in files)
    assert "Traceback" not in err
    assert "\\u" not in out + err
    assert "learning_curve.png" in out
    assert "*** return" in out


def test_names_do_not_steer_the_terminal(capsys):
    assert main(["eval", "\x1b[31mno\x07 run\u202e"]) == 1
    assert main(["\x1b[2J"]) == 2
    plain_console().print("a\x1b]0;title\x07", "\x9b1m")
    captured = capsys.readouterr()
    assert captured.out == "a\\x1b]0;title\\x07 \\x9b1m\n"
    assert "\\x1b[31mno\\x07 run\\u202e" in captured.err
    assert "\x1b" not in captured.err


def test_what_is_visible_stays_as_it_is():
    text = "Zwölf Boxkämpfer, 東京　は, 👩\u200d🚀, a\tb\nc"
    assert visible(text) == text
