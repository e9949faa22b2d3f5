"""Models in GGUF files: the same scores as from a folder, and what is said where there is none to be had."""

import importlib.util
import os
import struct

import pytest
import torch

from tests.scoring.gguf_files import write_gguf
from tests.scoring.tiny_models import DECISIONS, by_definition, byte_level
from twosome import models
from twosome.errors import MissingExtraError, ModelError
from twosome.scoring import ActionScorer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="needs the extra gguf")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path


def load(path, **arguments):
    return ActionScorer.from_pretrained(str(path), device="cpu", **arguments)


def test_a_gguf_file_scores_as_the_model_that_was_put_into_it(file, tmp_path):
    expected = by_definition(write_gguf(tmp_path / "same.gguf"), byte_level(), DECISIONS[0])
    scorer = load(file)
    assert (scorer.name, scorer.method, scorer.model.dtype) == (str(file), "packed", torch.float32)
    torch.testing.assert_close(scorer.log_probs(DECISIONS)[0], expected, atol=1e-4, rtol=0)


def test_nothing_beside_a_gguf_file_is_read(file, tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(file.read_bytes())
    (tmp_path / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["evil.Evil", null]}}')
    (tmp_path / "evil.py").write_text("raise SystemExit('ran')")
    (tmp_path / "config.json").write_text("no json")
    torch.testing.assert_close(load(path).log_probs(DECISIONS)[0], load(file).log_probs(DECISIONS)[0])


def test_a_gguf_file_is_known_by_its_content_and_a_name_may_be_a_link_to_it(file, tmp_path):
    link = tmp_path / "sha256-abc"
    link.symlink_to(file)
    assert load(link).log_probs(DECISIONS)[0].isfinite().any()


def test_the_model_in_a_gguf_file_can_be_saved_as_a_folder_like_any_other(file, tmp_path):
    scorer = load(file)
    scorer.model.save_pretrained(tmp_path / "folder")
    scorer.tokenizer.save_pretrained(tmp_path / "folder")
    again = load(tmp_path / "folder")
    torch.testing.assert_close(again.log_probs(DECISIONS), scorer.log_probs(DECISIONS), atol=0, rtol=0)


def test_a_path_that_is_no_gguf_file_is_refused(tmp_path):
    (tmp_path / "text.gguf").write_text("hello, this is text")
    (tmp_path / "folder.gguf").mkdir()
    (tmp_path / "circle.gguf").symlink_to(tmp_path / "circle.gguf")
    os.mkfifo(tmp_path / "pipe.gguf")
    for name, message in {
        "none.gguf": "there is no file",
        "text.gguf": "no GGUF file: one begins with the letters GGUF",
        "folder.gguf": "holds no model",
        "circle.gguf": "cannot be read",
        "pipe.gguf": "no regular file",
    }.items():
        with pytest.raises(ModelError, match=message):
            models.locate(str(tmp_path / name))
        with pytest.raises(ModelError, match=message):
            load(tmp_path / name)


def test_without_the_extra_a_gguf_file_is_refused_with_what_to_install(file, monkeypatch):
    monkeypatch.setattr("twosome.extras._installed", lambda module: module != "gguf")
    with pytest.raises(MissingExtraError, match=r"pip install 'twosome\[gguf\]'"):
        models.locate(str(file))
    with pytest.raises(MissingExtraError, match="gguf"):
        load(file)


def test_a_file_that_was_cut_off_anywhere_is_refused(file, tmp_path):
    content = file.read_bytes()
    path = tmp_path / "part.gguf"
    places = [4, 6, 8, 16, 24, 25, 100, 1000, 3000, 7000, len(content) // 2, len(content) - 32, len(content) - 1]
    for place in places:
        path.write_bytes(content[:place])
        with pytest.raises(ModelError, match=f"is cut off: it has {place:,} bytes"):
            load(path)


def test_a_damaged_header_is_refused(file, tmp_path):
    content = file.read_bytes()
    path = tmp_path / "damaged.gguf"
    old, backwards = struct.pack("<I", 1), struct.pack(">I", 3)
    kind = content.index(b"general.architecture") + len(b"general.architecture")
    for place, new, message in (
        (4, old, "version 1; expected 2 or 3"),
        (4, backwards, "version 50331648"),
        (kind, struct.pack("<I", 77), "unknown kind"),
        (16, struct.pack("<Q", 2**63), "cut off|damaged"),
    ):
        path.write_bytes(content[:place] + new + content[place + len(new) :])
        with pytest.raises(ModelError, match=message):
            load(path)


def test_one_of_several_parts_is_refused(tmp_path):
    write_gguf(tmp_path / "part.gguf", split__count=3)
    with pytest.raises(ModelError, match=r"one of 3 parts of a model.*llama-gguf-split --merge"):
        load(tmp_path / "part.gguf")


def test_a_file_without_a_tokenizer_is_refused(tmp_path):
    write_gguf(tmp_path / "bare.gguf", tokenizer=False)
    with pytest.raises(ModelError, match="has no tokenizer in it"):
        load(tmp_path / "bare.gguf")


def test_an_architecture_that_transformers_cannot_read_is_named(tmp_path):
    write_gguf(tmp_path / "other.gguf", architecture="clippy")
    with pytest.raises(ModelError, match=r"cannot read the GGUF file.*architecture is 'clippy'"):
        load(tmp_path / "other.gguf")


def test_a_file_whose_weights_are_not_all_there_is_refused(tmp_path):
    write_gguf(tmp_path / "deep.gguf", qwen2__block_count=3)
    with pytest.raises(ModelError, match=r"lack .* of the model's tensors"):
        load(tmp_path / "deep.gguf")


def test_quantization_of_a_gguf_file_is_refused(file):
    with pytest.raises(ModelError, match="Leave out --quantization"):
        load(file, quantization="8bit")


def test_code_for_gguf_weights_is_not_fetched_from_the_hub_unasked(file, monkeypatch):
    monkeypatch.setattr("twosome.models._load._fetches_kernels", lambda architecture: architecture == "qwen2")
    with pytest.raises(ModelError, match=r"run it.*--trust-remote-code"):
        load(file)
    assert load(file, trust_remote_code=True).method == "packed"
