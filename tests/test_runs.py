"""The run directory: whole checkpoints or none, clear refusals, nothing lost."""

import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from twosome.errors import CheckpointError, RunError
from twosome.files import sha256
from twosome.run_files import file_lock
from twosome.runs import RunDirectory, saved_folder


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.create(tmp_path / "run", {"seed": 1}, {"python": "3"})


def write(text: str):
    return lambda folder: (folder / "weights").write_text(text)


def save(run: RunDirectory, decisions: int, fill, *, best: bool, keep: int) -> Path:
    return run.write_checkpoint(RunDirectory.checkpoint_name(decisions), fill, best=best, keep=keep)


def test_a_new_run_holds_its_settings_and_versions(run):
    assert run.read_config() == {"seed": 1}
    assert json.loads((run.path / "versions.json").read_text()) == {"python": "3"}
    assert RunDirectory.open(run.path).read_config() == {"seed": 1}


def test_a_folder_with_something_in_it_is_refused_with_the_way_to_go_on(tmp_path):
    (tmp_path / "config.json").write_text("data")
    with pytest.raises(RunError, match=r"not empty.*--resume"):
        RunDirectory.create(tmp_path, {}, {})
    assert (tmp_path / "config.json").read_text() == "data"


def test_a_folder_without_settings_is_no_run(tmp_path):
    with pytest.raises(RunError, match=r"no config\.json"):
        RunDirectory.open(tmp_path)


def test_only_the_last_checkpoints_and_the_best_stay(run):
    for step in range(5):
        save(run, step, write(str(step)), best=step == 1, keep=2)
    assert run.checkpoints() == ["step-0000000001", "step-0000000003", "step-0000000004"]
    assert (run.checkpoint("best") / "weights").read_text() == "1"
    assert (run.checkpoint("last") / "weights").read_text() == "4"


def test_what_a_user_put_beside_the_checkpoints_is_none_of_them_and_stays(run):
    for step in range(5):
        save(run, step, write(str(step)), best=False, keep=2)
        if step == 1:
            for name in ("my-backup", "step-old", "zzz"):
                (run.path / "checkpoints" / name).mkdir()
    assert run.checkpoints() == ["step-0000000003", "step-0000000004"]
    assert {"my-backup", "step-old", "zzz"} < {entry.name for entry in (run.path / "checkpoints").iterdir()}


def test_a_run_whose_checkpoints_were_removed_is_not_begun_again(run):
    assert not run.has_begun()
    run.append_metrics({"decisions": 128})
    for ask in (run.has_begun, run.checkpoint):
        with pytest.raises(CheckpointError, match="metrics of 1 updates and no checkpoint"):
            ask()
    assert run.read_metrics() == [{"decisions": 128}]


def test_a_damaged_line_of_metrics_is_named(run):
    (run.path / "metrics.jsonl").write_text('{"decisions": 128}\n{"decis\n')
    with pytest.raises(RunError, match=r"metrics.jsonl is damaged: line 2"):
        run.read_metrics()


def test_a_file_in_a_runs_place_is_called_a_file(tmp_path):
    (tmp_path / "notes").write_text("data")
    with pytest.raises(RunError, match="is a file"):
        RunDirectory.create(tmp_path / "notes", {}, {})
    assert (tmp_path / "notes").read_text() == "data"


@pytest.mark.parametrize(
    "error",
    [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights"), SafetensorError("No space left on device")],
)
def test_a_checkpoint_that_cannot_be_finished_leaves_the_earlier_one_and_no_debris(run, error):
    save(run, 1, write("good"), best=False, keep=2)

    def fail(folder: Path) -> None:
        (folder / "weights").write_text("half")
        raise error

    with pytest.raises(RunError, match=r"No space left.*--resume"):
        save(run, 2, fail, best=False, keep=2)
    assert run.checkpoints() == ["step-0000000001"]
    assert [entry.name for entry in (run.path / "checkpoints").iterdir()] == ["step-0000000001"]


@pytest.mark.parametrize("call", ["rename", "fsync", "replace"])
def test_a_crash_at_any_step_of_writing_leaves_a_whole_last_checkpoint(run, monkeypatch, call):
    """Stop at the first, second, ... call of each system function; what is there must always be whole."""
    save(run, 1, write("one"), best=False, keep=1)
    for stop_at in range(1, 20):
        calls = 0
        original = getattr(os, call)

        def crash(*args, original=original, stop_at=stop_at):
            nonlocal calls
            calls += 1
            if calls == stop_at:
                raise KeyboardInterrupt
            return original(*args)

        with monkeypatch.context() as patch:
            patch.setattr(os, call, crash)
            try:
                save(run, 2, write("two"), best=True, keep=1)
            except KeyboardInterrupt:
                pass
            else:
                break
        last = RunDirectory.open(run.path).verified_checkpoint("last")
        assert (last / "weights").read_text() == {"step-0000000001": "one", "step-0000000002": "two"}[last.name]
    else:
        pytest.fail(f"os.{call} was called more often than this test stops it")
    assert run.checkpoints() == ["step-0000000002"]
    assert (run.checkpoint("best") / "weights").read_text() == "two"


def test_a_changed_file_is_noticed_and_the_message_names_the_checkpoint_before(run):
    save(run, 1, write("one"), best=False, keep=2)
    save(run, 2, write("two"), best=False, keep=2)
    (run.checkpoint("last") / "weights").write_text("tw0")
    with pytest.raises(CheckpointError, match=r"weights.*Delete .*step-0000000002 to go on from step-0000000001"):
        run.verified_checkpoint("last")
    run.verified_checkpoint("step-0000000001")


@pytest.mark.parametrize("size", [0, 2**20, 2**20 + 7])
def test_a_hash_is_of_the_whole_file_read_piece_by_piece(tmp_path, size):
    content = bytes(i % 251 for i in range(size))
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_manifest_that_names_nothing_verifies_nothing(run):
    (save(run, 1, write("1"), best=False, keep=2) / "manifest.json").write_text("{}")
    with pytest.raises(CheckpointError, match="names no file"):
        run.verified_checkpoint()


def test_an_unknown_checkpoint_is_refused_with_those_that_exist(run):
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run.checkpoint("last")
    save(run, 1, write("one"), best=False, keep=2)
    with pytest.raises(CheckpointError, match="step-0000000001"):
        run.checkpoint("step-7")


def test_metrics_after_the_checkpoint_are_forgotten_and_a_half_written_line_is_not_read(run):
    size = run.append_metrics({"update": 1})
    run.append_metrics({"update": 2})
    with open(run.path / "metrics.jsonl", "ab") as file:
        file.write(b'{"upd')
    assert [row["update"] for row in run.read_metrics()] == [1, 2]
    run.truncate_metrics(size)
    assert [row["update"] for row in run.read_metrics()] == [1]
    with pytest.raises(RunError, match="shortened"):
        run.truncate_metrics(size + 1)


def test_damaged_json_says_which_file(run):
    (run.path / "config.json").write_text("{")
    with pytest.raises(RunError, match=r"config\.json cannot be read"):
        run.read_config()


def test_a_run_that_another_process_writes_to_is_refused_until_that_ends(run):
    with run.locked():
        opened = f"RunDirectory.open(Path({str(run.path)!r}))"
        code = f"from pathlib import Path; from twosome.runs import RunDirectory; {opened}.locked().__enter__()"
        answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert "another process is writing" in answer.stderr
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr


def test_only_a_checkpoint_that_is_there_can_be_the_best(run):
    save(run, 1, write("one"), best=False, keep=2)
    run.mark_best("step-0000000009")
    with pytest.raises(CheckpointError, match="'best' the one"):
        run.checkpoint("best")
    run.mark_best("step-0000000001")
    assert run.checkpoint("best").name == "step-0000000001"


def test_a_folder_that_a_killed_beginning_left_is_begun_again(tmp_path):
    path = tmp_path / "half"
    (path / "checkpoints").mkdir(parents=True)
    for name in (".writing-config.json", "versions.json", ".lock"):
        (path / name).write_text("{")
    run = RunDirectory.create(path, {"seed": 1}, {})
    assert run.read_config() == {"seed": 1}
    with pytest.raises(RunError, match="--resume"):
        RunDirectory.require_free(path)


@pytest.mark.parametrize("name", ["thesis.tex", "checkpoints/step-0000000000", "metrics.jsonl"])
def test_a_folder_with_anything_else_is_not_begun_in(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("all of it")
    with pytest.raises(RunError, match=f"no config.json, but '{name.partition('/')[0]}'"):
        RunDirectory.create(tmp_path, {}, {})
    assert (tmp_path / name).read_text() == "all of it"


def test_of_two_that_begin_in_one_folder_at_once_the_second_is_refused(tmp_path):
    (tmp_path / "versions.json").write_text("{}")
    with file_lock(tmp_path / ".lock"), pytest.raises(RunError, match="another process"):
        RunDirectory.create(tmp_path, {}, {})
    assert not (tmp_path / "config.json").exists()


@pytest.mark.parametrize("removed", ["config.json", "metrics.jsonl", "."])
def test_what_is_removed_from_a_run_while_it_is_written_is_noticed_at_the_next_write(run, removed):
    run.append_metrics({"update": 1})
    shutil.rmtree(run.path / removed) if removed == "." else (run.path / removed).unlink()
    for write in (
        lambda: run.append_metrics({"update": 2}),
        lambda: run.write_checkpoint("step-0000000128", lambda folder: None, best=False, keep=1),
    ):
        with pytest.raises(RunError, match="was removed or cut while"):
            write()


def test_metrics_that_were_cut_are_noticed_after_a_resumption_too(run):
    run.append_metrics({"update": 1})
    size = run.append_metrics({"update": 2})
    again = RunDirectory.open(run.path)
    again.truncate_metrics(size)
    (run.path / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match="was removed or cut while"):
        again.append_metrics({"update": 3})


@pytest.mark.parametrize("name", ["a" * 300, "a\0b", "nothing"])
def test_a_path_that_holds_no_run_is_refused_whatever_it_is(name):
    with pytest.raises(RunError, match=r"there is no run directory .* an environment is named with --env") as caught:
        RunDirectory.open(Path(name))
    assert len(str(caught.value)) < 500
    assert saved_folder(Path(name)) is None
