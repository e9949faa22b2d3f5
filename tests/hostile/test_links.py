"""Nothing is written through a link, and nothing but regular files is read."""

import contextlib
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path

import numpy as np
import pytest

import tests.environments
from twosome.agent import Agent
from twosome.cli import main
from twosome.cli.showing import save_measurements, show
from twosome.decision import Decision
from twosome.errors import RunError, TwosomeError
from twosome.files import require_no_link
from twosome.ppo.train import resume
from twosome.report.bars import save_bars
from twosome.report.collect import collect
from twosome.report.curve import save_curve
from twosome.report.film import FilmFrame, Recording, save_film
from twosome.report.page import Heading, Picture, save_page
from twosome.tracking import Tracker

SUMMARY = {"success_rate": 0.5, "success_ci95": (0.4, 0.6), "return_mean": 0.5, "return_ci95": (0.4, 0.6)}
IMAGE = np.zeros((8, 8, 3), np.uint8)
RECORDING = Recording((FilmFrame(IMAGE, Decision("P", ("a", "b")), np.array([0.5, 0.5]), 0, 0.0),), IMAGE, 0.0, False)
WRITERS = {
    "a.png": lambda path: save_curve([{"decisions": 1, "episodes": 1, "return_mean": 0}], {}, "T", path),
    "b.png": lambda path: save_bars([("t", dict.fromkeys(("random", "untrained", "trained", "planner"), SUMMARY))] * 2,
                                    "T", "N", path),
    "c.gif": lambda path: save_film(RECORDING, path),
    "report.html": lambda path: save_page([Heading("T")], path.parent, "report"),
    "report.md": lambda path: save_page([Heading("T")], path.parent, "report"),
    "p.png": lambda path: save_page([Heading("T"), Picture("p.png", "P", b"png")], path.parent, "report"),
}  # fmt: skip


@pytest.fixture
def outside(tmp_path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "file").write_text("untouched")
    return folder


def untouched(outside: Path) -> bool:
    return [file.name for file in outside.iterdir()] == ["file"] and (outside / "file").read_text() == "untouched"


@pytest.mark.parametrize("leads_to", ["file", "missing"])
@pytest.mark.parametrize("name", WRITERS)
def test_a_link_in_place_of_a_picture_or_page_is_replaced(tmp_path, outside, name, leads_to):
    folder = tmp_path / "folder"
    folder.mkdir()
    for place in (name, f".writing-{name}"):
        (folder / place).symlink_to(outside / leads_to)
    WRITERS[name](folder / name)
    assert untouched(outside)
    assert (folder / name).stat().st_size > 2
    assert not (folder / name).is_symlink()
    assert not (folder / f".writing-{name}").is_symlink()


def test_the_name_of_the_file_for_tensorboard_cannot_be_guessed(tmp_path, outside, monkeypatch):
    folder, now = tmp_path / "run", time.time()
    folder.mkdir()
    monkeypatch.setattr(time, "time", lambda: now)
    for i in range(500):
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{i}"
        (folder / name).symlink_to(outside / f"{i}")
    with Tracker(folder, tests.environments.counting_run(folder), 0) as tracker:
        tracker.log({"decisions": 1, "return_mean": 0.5})
    assert untouched(outside)
    assert len([file for file in folder.iterdir() if not file.is_symlink()]) == 1


def test_going_on_with_a_run_writes_through_no_link(run, outside):
    names = [file.name for file in run.path.iterdir() if file.is_file()] + ["tracking.json", ".writing-config.json"]
    for name in (*names, "checkpoints/best", "checkpoints/.writing-best", "checkpoints/.writing-step-0000000128"):
        copied = Path(shutil.copytree(run.path, outside.parent / "copies" / name.replace("/", "-")))
        (copied / name).unlink(missing_ok=True)
        (copied / name).symlink_to(outside / "file")
        with contextlib.suppress(RunError):
            resume(copied)
        assert untouched(outside), name


def test_measuring_a_run_writes_through_no_link(run, outside):
    names = ("evaluation.json", "untrained.json", "learning_curve.png")
    for name in names:
        (run.path / name).symlink_to(outside / "file")
    save_measurements(run.path, show(run.path, episodes=2))
    assert untouched(outside)
    assert not (run.path / "learning_curve.png").is_symlink()


@pytest.mark.parametrize("place", ["Counting-v0", "Counting-v0/word", "Counting-v0/word/seed-1", "random.json"])
@pytest.mark.parametrize("is_link_to", ["", "file"])
def test_an_experiment_writes_below_its_own_folder_alone(tmp_path, outside, capsys, place, is_link_to):
    output = tmp_path / "output"
    if place == "random.json":
        place = "twosome-tests-Counting-v0/random.json"
    place = place.replace("Counting-v0", "twosome-tests-Counting-v0", place.startswith("Counting"))
    (output / place).parent.mkdir(parents=True)
    (output / place).symlink_to(outside / is_link_to)
    file = tmp_path / "grid.toml"
    file.write_text(f'envs = ["twosome-tests/Counting-v0"]\nseeds = [1]\noutput = "{output}"\n[methods.word]\n')
    assert main(["experiment", str(file)]) == 1
    assert "is a link" in capsys.readouterr().err
    assert untouched(outside)


def test_the_log_of_an_experiment_is_no_link(tmp_path, outside, capsys):
    folder = tmp_path / "output" / "twosome-tests-Counting-v0" / "word"
    folder.mkdir(parents=True)
    (folder / "seed-1.log").symlink_to(outside / "file")
    file = tmp_path / "grid.toml"
    file.write_text(
        f'envs = ["twosome-tests/Counting-v0"]\nseeds = [1]\noutput = "{tmp_path}/output"\n[methods.word]\n'
    )
    assert main(["experiment", str(file)]) == 1
    assert "seed-1.log is a link" in capsys.readouterr().err
    assert untouched(outside)


def test_the_folder_itself_may_be_a_link(tmp_path, outside):
    (tmp_path / "link").symlink_to(outside)
    require_no_link(tmp_path / "link" / "a" / "b", tmp_path / "link")
    (outside / "a").symlink_to(tmp_path)
    with pytest.raises(RunError, match="is a link"):
        require_no_link(tmp_path / "link" / "a" / "b", tmp_path / "link")


@contextlib.contextmanager
def at_most(seconds: int):
    """Ends a wait that would last forever."""

    def give_up(*_):
        raise AssertionError(f"it still waits after {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


PLACES = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "folder": Path.mkdir,
    "link to nowhere": lambda path: path.symlink_to("nowhere/at/all"),
    "link to itself": lambda path: path.symlink_to(path.name),
}
READ = {
    "config.json",
    "metrics.jsonl",
    "state.json",
    "adapter_config.json",
    "adapter_model.safetensors",
    "manifest.json",
}
"""What a run cannot be opened without."""


SOME = ("pipe", "link to nowhere")  # one that is there and waits, one that is not there


@pytest.mark.parametrize(
    "kind", [kind if kind in SOME else pytest.param(kind, marks=pytest.mark.slow) for kind in PLACES]
)
def test_what_is_no_file_is_refused_or_listed_and_never_waited_for(run, tmp_path, kind):
    more = ["evaluation.json", "untrained.json", "tracking.json", "experiment.json", "random.json", "checkpoints/best"]
    files = [str(file.relative_to(run.path)) for file in run.path.rglob("*") if file.is_file()]
    for number, name in enumerate(sorted({*files, *more})):
        if "tfevents" in name:
            continue
        copied = Path(shutil.copytree(run.path, tmp_path / "copies" / str(number) / "run"))
        (copied / name).unlink(missing_ok=True)
        PLACES[kind](copied / name)
        of_a_checkpoint = name.startswith("checkpoints/step")
        with at_most(300):
            with contextlib.suppress(RunError):
                collect(copied.parent)
            with pytest.raises(TwosomeError) if Path(name).name in READ else contextlib.suppress(TwosomeError):
                (Agent.load if of_a_checkpoint else resume)(copied)


def test_a_report_lists_what_is_no_file(run, tmp_path):
    folder = tmp_path / "all"
    for number, (kind, name) in enumerate((k, n) for k in PLACES for n in ("evaluation.json", "metrics.jsonl")):
        copied = Path(shutil.copytree(run.path, folder / str(number)))
        (copied / name).unlink(missing_ok=True)
        PLACES[kind](copied / name)
    with at_most(300):
        found = collect(folder)
    assert sorted(found.unreadable) == sorted(str(number) for number in range(10))
    assert all(json.dumps(reason).isascii() for reason in found.unreadable.values())
