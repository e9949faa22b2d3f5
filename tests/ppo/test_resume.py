"""A run that is killed at any moment and resumed ends exactly as one that was never killed."""

import os
import signal
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from tests.ranks import begin_command
from twosome.runs import RunDirectory

BEGIN = ["train", "--env", "TomatoSalad", "--rollout-steps", "16", "--checkpoint-every", "128", "--no-show"]
UPDATES = 8
WHOLE = [*BEGIN, "--total-steps", str(64 * UPDATES)]


@pytest.fixture
def output(tmp_path) -> Path:
    """What the last process printed."""
    return tmp_path / "output"


def wait_for(condition, process: BaseProcess, output: Path) -> None:
    while not condition():
        assert process.is_alive(), output.read_text()
        time.sleep(0.001)


def num_updates(path: Path) -> int:
    metrics = path / "metrics.jsonl"
    return metrics.read_bytes().count(b"\n") if metrics.exists() else 0


def wait_for_updates(path: Path, count: int, process: BaseProcess, output: Path) -> None:
    wait_for(lambda: num_updates(path) >= count, process, output)


def kill(process: BaseProcess) -> None:
    process.kill()
    process.join()


def carry_out(arguments: list[str], output: Path) -> None:
    process = begin_command(arguments, output, output)
    process.join()
    assert process.exitcode == 0, output.read_text()


def assert_same_result(one: Path, other: Path) -> None:
    runs = [RunDirectory.open(path) for path in (one, other)]
    first, second = (
        [{name: value for name, value in row.items() if not name.endswith("_s")} for row in run.read_metrics()]
        for run in runs
    )
    assert first == second
    assert len(first) == UPDATES
    for name in ("adapter_model.safetensors", "critic.safetensors", "optimizers.safetensors", "features.safetensors"):
        contents = [(run.checkpoint("last") / name).read_bytes() for run in runs]
        assert contents[0] == contents[1], name


def test_killed_twice_and_interrupted_once_a_resumed_run_ends_byte_for_byte_the_same(tmp_path, output):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    carry_out([*WHOLE, "--output", str(whole)], output)

    process = begin_command([*WHOLE, "--output", str(broken)], output, output)
    wait_for_updates(broken, 3, process, output)
    kill(process)

    process = begin_command(["train", "--resume", str(broken), "--no-show"], output, output)
    wait_for_updates(broken, num_updates(broken) + 1, process, output)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130
    assert "everything is saved" in output.read_text()
    assert f"twosome train --resume {broken}" in output.read_text()

    process = begin_command(["train", "--resume", str(broken), "--no-show"], output, output)
    wait_for_updates(broken, num_updates(broken) + 1, process, output)
    kill(process)

    carry_out(["train", "--resume", str(broken), "--no-show"], output)
    assert_same_result(whole, broken)


def test_killed_before_the_first_checkpoint_a_run_can_still_be_resumed(tmp_path, output):
    path = tmp_path / "run"
    process = begin_command([*BEGIN, "--total-steps", "64", "--output", str(path)], output, output)
    wait_for((path / "config.json").exists, process, output)
    kill(process)
    carry_out(["train", "--resume", str(path), "--no-show"], output)
    assert len(RunDirectory.open(path).read_metrics()) == 1
