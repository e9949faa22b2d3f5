"""Wrong and damaged folders, and adapters beside a model: an error of one paragraph, or the model that they mean."""

import json
import re

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

from tests.scoring.tiny_models import DECISIONS, FAMILIES, byte_level, llama, tiny_model
from twosome.errors import ModelError
from twosome.models import Adapters, MergedAdapterWarning, _load
from twosome.policy.tuning import attach_to
from twosome.scoring import ActionScorer


def save_model(folder):
    tiny_model("llama", dtype=torch.float32, **FAMILIES["llama"]).save_pretrained(folder)
    byte_level().save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    return save_model(tmp_path / "model")


def change_json(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def change_weight(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


UP = "model.layers.1.mlp.up_proj.weight"
DAMAGES = {
    "weights of another shape": lambda f: change_json(f / "config.json", intermediate_size=52),
    "another vocabulary": lambda f: change_json(f / "config.json", vocab_size=290),
    "an unknown activation": lambda f: change_json(f / "config.json", hidden_act="gelou"),
    "heads that do not divide": lambda f: change_json(f / "config.json", num_attention_heads=5, head_dim=None),
    "a number that is a text": lambda f: change_json(f / "config.json", num_hidden_layers="two"),
    "negative layers": lambda f: change_json(f / "config.json", hidden_size=-1),
    "an unknown scaling of positions": lambda f: change_json(
        f / "config.json", rope_parameters={"rope_type": "spiral"}
    ),
    "positions without their settings": lambda f: change_json(
        f / "config.json", rope_parameters={"rope_type": "longrope", "rope_theta": 1e4}
    ),
    "an unknown family": lambda f: change_json(f / "config.json", model_type="llamma"),
    "settings that are a list": lambda f: (f / "config.json").write_text("[1, 2]"),
    "settings that are no JSON": lambda f: (f / "config.json").write_text('{"model_type": "llama",'),
    "settings that are no text": lambda f: (f / "config.json").write_bytes(b"\xff\xfe\x00"),
    "truncated weights": lambda f: truncate(f / "model.safetensors"),
    "empty weights": lambda f: (f / "model.safetensors").write_bytes(b""),
    "an index that names nothing": lambda f: (
        (f / "model.safetensors").rename(f / "model-00001-of-00002.safetensors"),
        (f / "model.safetensors.index.json").write_text('{"weight_map": {}}'),
    ),
    "a tokenizer that is no JSON": lambda f: truncate(f / "tokenizer.json"),
    "a tokenizer that is a list": lambda f: (f / "tokenizer.json").write_text("[]"),
    "settings of a tokenizer that are a number": lambda f: (f / "tokenizer_config.json").write_text("3"),
    "no tokenizer": lambda f: [path.unlink() for path in f.glob("tokenizer*")],
    "a NaN": lambda f: change_weight(f, lambda w: w[UP].view(-1)[7].fill_(torch.nan)),
    "an infinite weight": lambda f: change_weight(f, lambda w: w[UP].view(-1)[7].fill_(-torch.inf)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_in_one_paragraph(folder, damage):
    DAMAGES[damage](folder)
    with pytest.raises(ModelError) as caught:
        ActionScorer.from_pretrained(str(folder), device="cpu")
    assert re.search(r"(Copy|copy|Give|Put|correct) ", str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_weight_that_is_no_number_is_named(folder):
    DAMAGES["a NaN"](folder)
    with pytest.raises(ModelError, match=rf"{UP} holds NaN or an infinite number"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


def test_a_model_whose_numbers_overflow_is_refused_however_it_is_scored():
    model = llama()
    for layer in model.model.layers:
        layer.mlp.down_proj.weight.data.fill_(1e300)
    for method in ("auto", "naive"):
        with pytest.raises(ModelError, match="is not a number"):
            ActionScorer(model, byte_level(), method=method)


def save_adapter(folder, base="somewhere/else", seed=3):
    """A LoRA adapter for the tiny model that changes its scores."""
    model = tiny_model("llama", dtype=torch.float32, **FAMILIES["llama"])
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.3
    model.save_pretrained(folder)
    change_json(folder / "adapter_config.json", base_model_name_or_path=base)
    return ActionScorer(model.eval(), byte_level()).log_probs(DECISIONS)


def close(found, expected):
    return all(torch.allclose(a, b, atol=1e-3, rtol=0) for a, b in zip(found, expected, strict=True))


def test_training_starts_from_a_model_with_the_adapter_beside_it(folder):
    plain = ActionScorer.from_pretrained(str(folder), device="cpu").log_probs(DECISIONS)
    expected = save_adapter(folder)
    with pytest.warns(MergedAdapterWarning, match="is merged into the model"):
        scorer = ActionScorer.from_pretrained(str(folder), device="cpu")
    assert close(scorer.log_probs(DECISIONS), expected)
    assert not close(plain, expected)
    attach_to(scorer, Adapters(targets=("q_proj",)), seed=1)
    assert close(scorer.log_probs(DECISIONS), expected)


@pytest.mark.parametrize("base", ["../model", "{folder}"])
def test_an_adapter_alone_is_loaded_with_the_model_that_it_names(folder, tmp_path, base):
    expected = save_adapter(tmp_path / "adapter", base.format(folder=folder))
    with pytest.warns(MergedAdapterWarning):
        scorer = ActionScorer.from_pretrained(str(tmp_path / "adapter"), device="cpu")
    assert close(scorer.log_probs(DECISIONS), expected)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: None, r"holds an adapter alone.*'nobody/nothing', cannot be loaded"),
        (
            lambda f: change_json(f / "adapter_config.json", base_model_name_or_path=None),
            "cannot be read: base_model_name",
        ),
        (lambda f: (f / "adapter_config.json").write_text("{"), "cannot be read: Expecting"),
        (lambda f: (f / "adapter_model.safetensors").rename(f / "adapter_model.bin"), "run code when they are opened"),
    ],
)
def test_an_adapter_that_cannot_be_used_is_refused_with_a_remedy(tmp_path, damage, message):
    save_adapter(tmp_path, "nobody/nothing")
    damage(tmp_path)
    with pytest.raises(ModelError, match=message):
        ActionScorer.from_pretrained(str(tmp_path), device="cpu")


@pytest.mark.parametrize(
    "damage",
    [
        lambda f: truncate(f / "adapter_model.safetensors"),
        lambda f: change_json(f / "adapter_config.json", r=3),
        lambda f: change_json(f / "adapter_config.json", target_modules=["q_proj", "k_proj"]),
        lambda f: change_json(f / "adapter_config.json", peft_type="NOVEL"),
        lambda f: change_json(f / "adapter_config.json", target_modules=["nothing"]),
    ],
)
def test_an_adapter_that_does_not_fit_its_model_is_refused(folder, damage):
    save_adapter(folder)
    damage(folder)
    with pytest.raises(ModelError, match="does not fit the model"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


_BOMB = "((\\w+\\.?)+)+!"


@pytest.mark.parametrize(
    "patterns",
    [
        {"exclude_modules": _BOMB},
        {"layers_to_transform": [0], "layers_pattern": _BOMB},
        {"layers_to_transform": [0], "layers_pattern": ["layers", _BOMB]},
        {"rank_pattern": {_BOMB: 2}},
        {"alpha_pattern": {_BOMB: 2}},
        {"modules_to_save": [_BOMB]},
    ],
)
def test_an_adapter_with_regular_expressions_in_it_is_refused(folder, patterns):
    save_adapter(folder)
    change_json(folder / "adapter_config.json", **patterns)
    with pytest.raises(ModelError, match="expected names of layers"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


@pytest.mark.parametrize("pattern", [_BOMB, r".*\.[qv]_proj"])
def test_layers_that_an_adapter_describes_by_a_pattern_are_those_that_it_has_weights_of(folder, pattern):
    expected = save_adapter(folder)
    change_json(folder / "adapter_config.json", target_modules=pattern, exclude_modules=_BOMB)
    with pytest.warns(MergedAdapterWarning):
        scorer = ActionScorer.from_pretrained(str(folder), device="cpu")
    assert close(scorer.log_probs(DECISIONS), expected)


@pytest.mark.parametrize("place", ["../elsewhere.safetensors", "below/w.safetensors", "/etc/hostname", "w.bin", "", 3])
@pytest.mark.parametrize("named_by", ["index", "config"])
def test_weights_outside_of_the_folder_are_refused(folder, place, named_by):
    if named_by == "index":
        names = load_file(folder / "model.safetensors")
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": dict.fromkeys(names, place)}))
    else:
        change_json(folder / "config.json", transformers_weights=place)
    (folder / "w.bin").touch()
    (folder / "below").mkdir()
    for elsewhere in ("../elsewhere.safetensors", "below/w.safetensors"):
        save_file(load_file(folder / "model.safetensors"), folder / elsewhere)
    (folder / "model.safetensors").rename(folder / "w.safetensors")
    with pytest.raises(ModelError, match="in the same folder"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


@pytest.mark.parametrize("content", ["", "[]", '{"weight_map": 3}', "[" * 9999])
def test_a_damaged_index_of_weights_is_refused(folder, content):
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ModelError, match="cannot be read"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


def test_attention_by_code_from_the_hub_needs_consent(folder):
    change_json(folder / "config.json", attn_implementation="somebody/attention")
    with pytest.raises(ModelError, match="--trust-remote-code"):
        ActionScorer.from_pretrained(str(folder), device="cpu")


def test_an_adapter_is_not_merged_into_rounded_weights(folder):
    save_adapter(folder)
    with pytest.raises(ModelError, match="cannot take it exactly"):
        _load.load_model(str(folder), quantization="8bit")
