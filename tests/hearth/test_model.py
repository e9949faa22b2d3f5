import json
import socket

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from hearth import card, probe
from hearth.build import held_out_texts
from hearth.pretrain import perplexity
from twosome.errors import ModelError
from twosome.models import NAMES, path

FOLDER = path("hearth")
REPORT = json.loads((FOLDER / "measurements.json").read_text())
TOKENIZER = AutoTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def model() -> LlamaForCausalLM:
    torch.set_num_threads(1)
    return AutoModelForCausalLM.from_pretrained(FOLDER).eval()


def test_the_model_loads_without_a_network(monkeypatch):
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a connection was attempted")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    model = AutoModelForCausalLM.from_pretrained(FOLDER)
    assert isinstance(model, LlamaForCausalLM)
    assert sum(p.numel() for p in model.parameters()) == REPORT["parameters"]
    assert model.dtype == torch.float32
    assert model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(FOLDER)) == 768


def test_the_folder_stays_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) <= 8_000_000


def test_an_unknown_embedded_model_is_refused_by_name():
    assert NAMES == ("hearth",)
    with pytest.raises(ModelError, match="'herth' is not embedded: expected one of hearth"):
        path("herth")


@given(st.text())
@settings(deadline=None)
def test_any_text_survives_encoding_and_decoding(text):
    ids = TOKENIZER(text)["input_ids"]
    assert ids[0] == TOKENIZER.bos_token_id
    plain = text.replace("<s>", "").replace("<pad>", "")
    assert TOKENIZER.decode(TOKENIZER(plain)["input_ids"], skip_special_tokens=True) == plain


@pytest.mark.parametrize("word", ["tomato", "pancake"])
def test_common_words_take_more_than_one_token(word):
    assert len(TOKENIZER(f" {word}", add_special_tokens=False)["input_ids"]) > 1


def test_the_tokens_of_a_prompt_begin_the_tokens_of_prompt_and_action():
    prompt, action = "You want to serve a tomato salad. Your hands are empty. Now you", " pick up the tomato"
    ids = TOKENIZER(prompt)["input_ids"]
    assert TOKENIZER(prompt + action)["input_ids"][: len(ids)] == ids


def test_perplexity_on_held_out_documents_is_the_recorded_one(model):
    recipe = REPORT["recipe"]
    texts = held_out_texts(recipe["seed"], recipe["situations"], recipe["wander"])
    assert perplexity(model, TOKENIZER, texts) == pytest.approx(REPORT["perplexity"], rel=1e-3)


@pytest.mark.parametrize("family", probe.FAMILIES)
def test_the_probe_is_near_the_recorded_one_and_far_above_chance(model, family):
    recorded, asked = REPORT["probe"][family], probe.questions(family, count=40)  # the first 40 of 150
    accuracy = sum(probe.choose(model, TOKENIZER, q) == q["answer"] for q in asked) / len(asked)
    assert accuracy >= recorded["accuracy"] - 0.15
    assert accuracy > 2 * recorded["chance"]


def test_the_untrained_model_beats_chance_and_leaves_most_to_learn():
    for task, optimum in {"TomatoSalad": 0.9205, "TomatoLettuceSalad": 0.9477, "FoodPreparation": 0.7738}.items():
        untrained, chance = REPORT["untrained"][task]["return"], REPORT["random"][task]["return"]
        assert chance + 0.02 < untrained < 0.65 * optimum, task
    assert REPORT["untrained"]["TomatoSalad"]["return"] >= REPORT["random"]["TomatoSalad"]["return"] + 0.2
    assert REPORT["random"]["Entertainment"]["success"] < 0.03 <= REPORT["untrained"]["Entertainment"]["success"] <= 0.3


def test_the_data_card_shows_the_recorded_numbers():
    assert (FOLDER / "DATA_CARD.md").read_text() == card.render(REPORT)
