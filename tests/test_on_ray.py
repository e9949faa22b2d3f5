"""A run on Ray's workers outlives the loss of one."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from twosome.errors import MissingExtraError
from twosome.on_ray import run_on_ray
from twosome.runs import RunDirectory


def command(path: Path, *arguments: str) -> list[str]:
    settings = [
        "--env",
        "TomatoSalad",
        "--total-steps",
        "1280",
        "--checkpoint-every",
        "256",
        "--threads",
        "1",
        "--no-show",
    ]
    return [sys.executable, "-m", "twosome", "train", *settings, "--output", str(path), *arguments]


def workers_under(root: int) -> list[int]:
    """Ray's training workers among the descendants of a process."""
    parents, names = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            names[int(stat.parent.name)] = (stat.parent / "cmdline").read_text()

    def is_under(pid: int) -> bool:
        return pid == root or (pid in parents and is_under(parents[pid]))

    return [pid for pid, name in names.items() if "RayTrainWorker" in name and is_under(pid)]


def wait_for_updates(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    metrics = path / "metrics.jsonl"
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= count):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@pytest.mark.slow
def test_when_a_worker_is_killed_the_run_goes_on_from_its_checkpoint_and_ends_whole(tmp_path):
    pytest.importorskip("ray")
    alone, path = tmp_path / "alone", tmp_path / "run"
    subprocess.run(command(alone), check=True, capture_output=True)
    arguments = command(path, "--ray-workers", "2")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_for_updates(path, 3, process)
        pids = workers_under(process.pid)
        assert len(pids) == 2
        os.kill(pids[1], signal.SIGKILL)
        output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output.decode()
    rows = [RunDirectory.open(folder).read_metrics() for folder in (alone, path)]
    assert len(rows[0]) == 10
    for row, other in zip(*rows, strict=True):
        for name in ("decisions", "env_steps", "episodes", "return_mean", "value_loss", "approx_kl", "entropy"):
            assert row[name] == pytest.approx(other[name], abs=1e-5), name


def test_without_ray_the_message_names_the_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"twosome\[ray\]"):
        run_on_ray(print, 2, tmp_path / "run")
