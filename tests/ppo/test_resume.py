"""A run that is killed at any moment and resumed ends exactly as one that was never killed."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from twosome.runs import RunDirectory

ARGUMENTS = [
    "--env",
    "TomatoSalad",
    "--total-steps",
    "1024",
    "--checkpoint-every",
    "256",
    "--threads",
    "1",
    "--no-show",
]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "twosome", "train", *arguments]


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(command(*arguments), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def wait_for_updates(path: Path, count: int, process: subprocess.Popen[str]) -> None:
    metrics = path / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def assert_same_result(one: Path, other: Path) -> None:
    runs = [RunDirectory.open(path) for path in (one, other)]
    first, second = (
        [{name: value for name, value in row.items() if not name.endswith("_s")} for row in run.read_metrics()]
        for run in runs
    )
    assert first == second
    assert len(first) == 8
    for name in ("adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors", "features.safetensors"):
        contents = [(run.checkpoint("last") / name).read_bytes() for run in runs]
        assert contents[0] == contents[1], name


def test_killed_twice_and_interrupted_once_a_resumed_run_ends_byte_for_byte_the_same(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    subprocess.run(command(*ARGUMENTS, "--output", str(whole)), check=True, capture_output=True)

    process = start(*ARGUMENTS, "--output", str(broken))
    wait_for_updates(broken, 3, process)
    kill(process)

    process = start("--resume", str(broken))
    wait_for_updates(broken, 5, process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "everything is saved" in errors
    assert f"twosome train --resume {broken}" in errors

    process = start("--resume", str(broken))
    wait_for_updates(broken, 7, process)
    kill(process)

    subprocess.run(command("--resume", str(broken), "--no-show"), check=True, capture_output=True)
    assert_same_result(whole, broken)


def test_killed_before_the_first_checkpoint_a_run_can_still_be_resumed(tmp_path):
    path = tmp_path / "run"
    process = start(*ARGUMENTS, "--output", str(path))
    while not (path / "config.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    kill(process)
    subprocess.run(command("--resume", str(path), "--no-show"), check=True, capture_output=True)
    assert len(RunDirectory.open(path).read_metrics()) == 8
