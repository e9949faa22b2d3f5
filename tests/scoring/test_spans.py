"""Action boundaries are token boundaries, whatever the tokenizer."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders
from tokenizers.models import BPE
from tokenizers.normalizers import Replace
from transformers import PreTrainedTokenizerFast

from tests.scoring.tiny_models import TOKENIZERS, byte_level, merging, metaspace, wordpiece
from twosome import Decision
from twosome.errors import ConfigError, ModelError, PromptTooLongError
from twosome.scoring.chat import split_last_sentence
from twosome.scoring.spans import SpanEncoder

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAMA_STYLE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}[INST] {{ message['content'] }} "
    "[/INST]{% else %} {{ message['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
)
DECISION = Decision("You see a cup. Now you", ("pick up the cup", "", "walk to the table", "pick"))


def decoded(tokenizer, ids, **options) -> str:
    text = tokenizer.decode(ids, **options)
    assert isinstance(text, str)
    return text


def texts(tokenizer, spans):
    return [tokenizer.convert_ids_to_tokens(list(action)) for action in spans.actions]


@pytest.mark.parametrize("name", ["byte_level", "metaspace", "wordpiece"])
def test_shared_tokens_are_the_prompts_and_the_rest_is_the_action(name):
    tokenizer = TOKENIZERS[name]()
    encoder = SpanEncoder(tokenizer)
    spans = encoder.encode(DECISION)
    assert spans.is_clean
    assert spans.shared == encoder.prompt_ids(DECISION.prompt)
    assert spans.actions[1] == ()
    for phrase, action in zip(DECISION.actions, spans.actions, strict=True):
        if phrase:
            row = tokenizer(f"{DECISION.prompt} {phrase}", add_special_tokens=False)["input_ids"]
            assert list(spans.shared + action)[-len(row) :] == row


def test_what_the_tokenizer_puts_in_front_stays_and_what_it_puts_behind_goes():
    assert SpanEncoder(byte_level()).prompt_ids("Now you") == tuple(byte_level()("Now you")["input_ids"])
    assert SpanEncoder(metaspace()).prompt_ids("Now you")[0] == 1
    with_both = wordpiece()("Now you")["input_ids"]
    assert (with_both[0], with_both[-1]) == (1, 2)
    assert SpanEncoder(wordpiece()).prompt_ids("Now you") == tuple(with_both[:-1])
    assert 2 not in SpanEncoder(wordpiece()).encode(DECISION).actions[0]


def test_a_leading_space_belongs_to_the_first_word_of_an_action():
    spans = SpanEncoder(metaspace()).encode(DECISION)
    assert texts(metaspace(), spans)[3] == ["▁pick"]
    spans = SpanEncoder(byte_level()).encode(DECISION)
    assert texts(byte_level(), spans)[3] == ["Ġp", "i", "c", "k"]


def test_a_token_across_the_boundary_moves_it_back_for_all_actions_alike():
    tokenizer = merging()
    encoder = SpanEncoder(tokenizer)
    spans = encoder.encode(DECISION)
    assert not spans.is_clean
    # The prompt ends in "o", "u"; rows of phrases in p hold "u p" in its place.
    assert spans.shared == encoder.prompt_ids(DECISION.prompt)[:-1]
    assert texts(tokenizer, spans)[3] == ["u p", "i", "c", "k"]
    assert texts(tokenizer, spans)[2] == ["u", *" walk to the table"]
    alone = encoder.encode(Decision(DECISION.prompt, ("walk to the table",)))
    assert alone.is_clean
    assert texts(tokenizer, alone) == [list(" walk to the table")]


@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_score_covers_the_text_from_the_same_place_to_the_actions_end(name):
    tokenizer = TOKENIZERS[name]()
    spans = SpanEncoder(tokenizer).encode(DECISION)
    begun = decoded(tokenizer, spans.shared, skip_special_tokens=True)
    lowered = DECISION.prompt.lower() if name == "wordpiece" else DECISION.prompt
    assert lowered.replace(" ", "").startswith(begun.replace(" ", ""))
    for phrase, action in zip(DECISION.actions, spans.actions, strict=True):
        if phrase:
            whole = decoded(tokenizer, [*spans.shared, *action], skip_special_tokens=True)
            assert whole.replace(" ", "") == f"{lowered}{phrase}".replace(" ", "")


@pytest.mark.parametrize("name", TOKENIZERS)
def test_token_texts_join_to_the_actions_text(name):
    encoder = SpanEncoder(TOKENIZERS[name]())
    spans = encoder.encode(DECISION)
    assert "".join(encoder.token_texts(spans, 2)).strip() == (
        "u walk to the table" if name == "merging" else "walk to the table"
    )
    assert len(encoder.token_texts(spans, 2)) == len(spans.actions[2])


def sentencepiece():
    """As Llama has it: characters that it does not know are tokens of their bytes."""
    core = metaspace().backend_tokenizer
    vocabulary = {**core.get_vocab(), **{f"<0x{byte:02X}>": 1000 + byte for byte in range(256)}}
    core.model = BPE(vocab=vocabulary, merges=[], unk_token="<unk>", byte_fallback=True)
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse(), decoders.Replace("▁", " ")])
    return PreTrainedTokenizerFast(tokenizer_object=core, bos_token="<s>", unk_token="<unk>")


SCRIPTS = "eé ßñ桌杯走りますकखि़กขעبﷺ한글🍅🍆👩\u200d👧\u0301\ufffd.!"


@pytest.mark.filterwarnings("ignore::twosome.scoring.spans.UnknownTokenWarning")
@pytest.mark.parametrize("make", [byte_level, metaspace, sentencepiece])
@given(phrase=st.text(SCRIPTS, min_size=1, max_size=8).map(str.strip).filter(bool))
def test_token_texts_join_to_the_phrase_in_every_script(make, phrase):
    encoder = SpanEncoder(_known.setdefault(make, make()))
    spans = encoder.encode(Decision("You see a cup。Now you", (phrase,)))
    texts = encoder.token_texts(spans, 0)
    assert "".join(texts) == f" {phrase}"
    assert len(texts) == len(spans.actions[0])
    if make is not metaspace:  # which decodes what it does not know as <unk>
        assert "".join(encoder._decoded_texts(spans, 0)) == f" {phrase}"


_known: dict[Any, Any] = {}


def test_a_character_of_several_tokens_is_added_by_the_last_of_them():
    encoder = SpanEncoder(byte_level())
    spans = encoder.encode(Decision("You see a cup", ("🍅 up",)))
    assert encoder.token_texts(spans, 0) == encoder._decoded_texts(spans, 0) == [" ", "", "", "", "🍅", " ", "up"]


def test_an_empty_prompt_needs_something_in_front():
    with pytest.raises(ModelError, match="nothing to condition on"):
        SpanEncoder(byte_level()).prompt_ids("")
    with pytest.raises(ModelError, match="nothing to condition on"):
        SpanEncoder(byte_level()).encode(Decision("", ("pick",)))
    assert SpanEncoder(metaspace()).encode(Decision("", ("pick",))).shared == (1,)


def test_a_phrase_that_the_tokenizer_drops_is_refused():
    tokenizer = wordpiece()
    tokenizer.backend_tokenizer.normalizer = Replace("~", "")
    with pytest.raises(ModelError, match="makes no tokens of the action"):
        SpanEncoder(tokenizer).encode(Decision("You see a cup", ("~", "pick")))


def test_a_prompt_that_does_not_fit_is_refused_with_both_numbers():
    length = len(SpanEncoder(byte_level()).prompt_ids(DECISION.prompt))
    SpanEncoder(byte_level(), max_length=length).prompt_ids(DECISION.prompt)
    with pytest.raises(PromptTooLongError, match=rf"{length} tokens .* at most {length - 1}"):
        SpanEncoder(byte_level(), max_length=length - 1).prompt_ids(DECISION.prompt)
    with pytest.raises(PromptTooLongError, match="with the action 'pick up the cup'"):
        SpanEncoder(byte_level(), max_length=length + 1).encode(DECISION)


@pytest.mark.usefixtures("without_type_checks")
def test_an_unknown_format_is_refused():
    with pytest.raises(ConfigError, match="'plain' or 'chat'"):
        SpanEncoder(byte_level(), "chatty")


def test_chat_needs_a_template():
    with pytest.raises(ModelError, match="no chat template"):
        SpanEncoder(byte_level(), "chat")


def test_in_a_chat_the_unfinished_sentence_begins_the_answer():
    tokenizer = byte_level()
    tokenizer.chat_template = CHATML
    spans = SpanEncoder(tokenizer, "chat").encode(DECISION)
    assert tokenizer.decode(spans.shared) == (
        "<|im_start|>user\nYou see a cup.<|im_end|>\n<|im_start|>assistant\nNow you"
    )
    assert tokenizer.decode(spans.actions[2]) == " walk to the table"
    assert spans.is_clean


def test_a_template_that_writes_the_first_token_itself_gets_no_second_one():
    tokenizer = metaspace()
    tokenizer.chat_template = LLAMA_STYLE
    shared = SpanEncoder(tokenizer, "chat").encode(DECISION).shared
    assert shared.count(1) == 1
    assert 2 not in shared
    assert "see a cup. " in decoded(tokenizer, shared)
    assert decoded(tokenizer, shared).endswith("Now you")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A cup is here. It is 3.5 cm wide! Now you", ("A cup is here. It is 3.5 cm wide!", "Now you")),
        ('He says "go." Now you', ('He says "go."', "Now you")),
        ("Where are you?\nYou should", ("Where are you?", "You should")),
    ],
)
def test_the_last_sentence_begins_behind_the_last_full_stop(prompt, expected):
    assert split_last_sentence(prompt) == expected
