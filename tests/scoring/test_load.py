"""Loading by name or folder, and what is said when it cannot be."""

import json
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, T5Config

from tests.scoring.tiny_models import DECISIONS, FAMILIES, by_definition, byte_level, llama, tiny_model
from twosome.decision import Decision
from twosome.errors import ConfigError, MissingExtraError, ModelError
from twosome.models import _load, _names
from twosome.scoring import ActionScorer
from twosome.scoring.spans import SpanEncoder, UnknownTokenWarning


@pytest.fixture
def folder(tmp_path):
    tiny_model("llama", dtype=torch.float32, **FAMILIES["llama"]).save_pretrained(tmp_path)
    byte_level().save_pretrained(tmp_path)
    return tmp_path


def test_a_folder_is_loaded_in_evaluation_mode_and_scores_as_the_model_it_was_saved_from(folder):
    scorer = ActionScorer.from_pretrained(str(folder), device="cpu")
    assert scorer.name == str(folder)
    assert scorer.method == "packed"
    assert not scorer.model.training
    assert scorer.model.dtype == torch.float32
    expected = by_definition(llama(), byte_level(), DECISIONS[0]).float()
    torch.testing.assert_close(scorer.log_probs(DECISIONS)[0], expected, atol=1e-4, rtol=0)


def test_a_folder_is_loaded_without_a_progress_bar(folder, capfd):
    ActionScorer.from_pretrained(str(folder), device="cpu")
    assert capfd.readouterr() == ("", "")


def test_arguments_reach_the_scorer(folder):
    scorer = ActionScorer.from_pretrained(
        str(folder), dtype="bfloat16", device="cpu", method="naive", max_tokens_per_forward=7
    )
    assert (scorer.model.dtype, scorer.method, scorer.max_tokens_per_forward) == (torch.bfloat16, "naive", 7)
    with pytest.raises(ModelError, match="no chat template"):
        ActionScorer.from_pretrained(str(folder), prompt_format="chat")


def test_a_name_that_is_nowhere_is_refused():
    with pytest.raises(ModelError, match=r"found no model 'nobody/nothing'.*'hearth', a folder"):
        ActionScorer.from_pretrained("nobody/nothing")


def test_a_path_at_which_there_is_nothing_is_not_taken_for_an_id():
    for path in ("runs/models/none", "./none", "~/none"):
        with pytest.raises(ModelError, match=f"there is no folder '{path}'"):
            ActionScorer.from_pretrained(path)


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no model: expected config\.json"):
        ActionScorer.from_pretrained(str(tmp_path))


def test_weights_in_a_format_that_runs_code_are_refused_with_the_way_to_convert_them(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"expected \*\.safetensors.*save_pretrained\(FOLDER\)"):
        ActionScorer.from_pretrained(str(folder))


def test_damaged_weights_are_refused(folder):
    (folder / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot load the weights"):
        ActionScorer.from_pretrained(str(folder))


def test_weights_that_are_missing_are_not_drawn_at_random(folder):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lack 1 of the model's tensors: model\.layers\.1\.mlp\.up_proj\.weight"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(folder):
    tokenizer = byte_level()
    tokenizer.add_tokens([*(f"word{i}" for i in range(50)), "hands"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="they do not belong together"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


def test_a_model_of_another_kind_is_not_called_a_missing_file(folder):
    config = json.loads((folder / "config.json").read_text())
    T5Config().save_pretrained(folder)
    assert config["model_type"] == "llama"
    with pytest.raises(ModelError, match="it is a model of another kind"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


@pytest.mark.parametrize(
    ("cuda", "mps", "device"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu"), (True, False, "cuda")],
)
def test_auto_takes_a_gpu_then_an_apple_gpu_then_the_cpu(monkeypatch, cuda, mps, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert _load._device("auto").type == device
    if device != "cuda":
        assert _load.resolve_dtype("auto", _load._device("auto")) == torch.float32
    if mps:
        assert _load._device("mps").type == "mps"


@pytest.mark.parametrize("device", ["meta", "mps", "nowhere"])
def test_a_device_that_is_not_there_is_refused(folder, device):
    with pytest.raises(ConfigError, match=f"device is '{device}'"):
        ActionScorer.from_pretrained(str(folder), device=device)


def test_words_that_a_tokenizer_does_not_know_are_said_to_be_unknown():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel({"[UNK]": 0, "Now": 1, "you": 2, "wait": 3}, unk_token="[UNK]")),
        unk_token="[UNK]",
    )
    tokenizer.backend_tokenizer.pre_tokenizer = WhitespaceSplit()
    with pytest.warns(UnknownTokenWarning, match="all of the action 'open the door'"):
        SpanEncoder(tokenizer).encode(Decision("Now you", ("wait", "open the door")))


def test_a_model_without_a_tokenizer_is_refused(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"tokenizer.*tokenizer\.json"):
        ActionScorer.from_pretrained(str(folder))


def test_quantization_without_bitsandbytes_names_the_extra(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    monkeypatch.setattr(_load.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'twosome\[quantization\]'"):
        ActionScorer.from_pretrained(str(folder), quantization="8bit")


@pytest.mark.usefixtures("without_type_checks")
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"dtype": "float8"}, "dtype is 'float8'"),
        ({"quantization": "2bit"}, "quantization is '2bit'"),
        ({"device": "abacus"}, "device is 'abacus'"),
    ],
)
def test_arguments_out_of_range_are_refused(folder, argument, message):
    with pytest.raises(ConfigError, match=message):
        ActionScorer.from_pretrained(str(folder), **argument)


def test_a_missing_embedded_model_is_said_to_be_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(_names, "files", lambda package: tmp_path)
    with pytest.raises(ModelError, match="'hearth' is not part of this installation"):
        ActionScorer.from_pretrained("hearth")
