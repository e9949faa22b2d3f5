"""Chat templates of all sorts keep the prompt, or are refused."""

import pytest

from tests.scoring.test_spans import CHATML
from tests.scoring.tiny_models import byte_level, llama
from twosome.errors import ModelError
from twosome.scoring import ActionScorer
from twosome.scoring.chat import EmptyMessageWarning, render_chat, split_last_sentence

PROMPT = "You see a cup. Now you"
PARTS = (
    "{% for m in messages %}<{{ m['role'] }}>{% for part in m['content'] %}{% if part['type'] == 'text' %}"
    "{{ part['text'] }}{% endif %}{% endfor %}</{{ m['role'] }}>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
USER_ONLY = (
    "{% for m in messages %}{% if m['role'] == 'user' %}<user>{{ m['content'] }}</user>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def rendered(template, prompt=PROMPT):
    tokenizer = byte_level()
    tokenizer.chat_template = template
    return render_chat(tokenizer, prompt)


def test_a_template_of_parts_gets_parts():
    assert rendered(PARTS) == "<user>You see a cup.</user><assistant>Now you"


def test_a_template_that_drops_the_answer_is_followed_by_it():
    assert rendered(USER_ONLY) == "<user>You see a cup.</user><assistant>Now you"


@pytest.mark.parametrize("refusal", ["messages[-1]['role'] == 'assistant'", "messages | length > 1"])
def test_a_template_that_refuses_an_unfinished_answer_is_followed_by_it(refusal):
    template = "{% if " + refusal + " %}{{ raise_exception('user must be last') }}{% endif %}" + USER_ONLY
    assert rendered(template) == "<user>You see a cup.</user><assistant>Now you"


def test_a_template_that_rewrites_the_answer_is_followed_by_it():
    answer = "message['content'] if message['role'] == 'user' else message['content'] | upper"
    text = rendered(CHATML.replace("message['content']", answer))
    assert text == "<|im_start|>user\nYou see a cup.<|im_end|>\n<|im_start|>assistant\nNow you"


def test_blanks_that_a_template_adds_or_strips_leave_the_prompt_as_it_is():
    for content in ("message['content'] | trim", "'  ' + message['content'] + '  '"):
        assert rendered(CHATML.replace("message['content']", content)).endswith("Now you")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for m in messages %}{{ m['content'] }", "TemplateSyntaxError"),
        ("{{ raise_exception('a system message is needed') }}", "a system message is needed"),
        ("{{ messages[0]['content'].no.such.thing }}", "UndefinedError"),
        ("{{ 1 // 0 }}", "ZeroDivisionError"),
        ("{% for m in messages %}{% if m['role'] == 'assistant' %}{{ m['content'] }}{% endif %}{% endfor %}", "makes"),
        (CHATML.replace("message['content']", "message['content'] | upper"), "does not keep the prompt"),
        ("content: always the same", "does not keep the prompt"),
    ],
)
def test_a_template_that_fails_or_loses_the_prompt_is_refused(template, message):
    with pytest.raises(ModelError, match=r"(?s)chat template.*" + message) as caught:
        rendered(template)
    assert "\n" not in str(caught.value)
    assert "prompt_format='plain'" in str(caught.value)


def test_a_template_that_fails_is_refused_when_the_model_is_loaded():
    tokenizer = byte_level()
    tokenizer.chat_template = "{{ raise_exception('no') }}"
    with pytest.raises(ModelError, match="does not keep the prompt"):
        ActionScorer(llama(), tokenizer, prompt_format="chat")


def test_a_single_sentence_leaves_the_user_nothing_to_say_and_a_warning_says_so():
    with pytest.warns(EmptyMessageWarning, match="'Now you' is a single sentence"):
        assert rendered(CHATML, "Now you").endswith("assistant\nNow you")
    template = "{% if not messages[0]['content'] %}{{ raise_exception('empty message') }}{% endif %}" + CHATML
    with (
        pytest.warns(EmptyMessageWarning),
        pytest.raises(ModelError, match=r"empty message.*begin with a whole sentence"),
    ):
        rendered(template, "Now you")


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("桌上有一个杯子。你现在", ("桌上有一个杯子。", "你现在")),
        ("手は空です！次に", ("手は空です！", "次に")),
        ("彼は「行け。」次に", ("彼は「行け。」", "次に")),
        ("मेज़ पर एक प्याला है। अब तुम", ("मेज़ पर एक प्याला है।", "अब तुम")),
        ("هل أنت متعب؟ الآن أنت", ("هل أنت متعب؟", "الآن أنت")),
        ("cup: on the table\nhands: empty\nnext:", ("cup: on the table\nhands: empty", "next:")),
        ("A list:\r\n- cup\r\n\r\nNow you", ("A list:\r\n- cup", "Now you")),
        ("It is 3.5 cm wide. Now you", ("It is 3.5 cm wide.", "Now you")),
        ("你累了。", ("", "你累了。")),
    ],
)
def test_sentences_end_as_their_script_ends_them_and_lines_end_sentences(prompt, expected):
    assert split_last_sentence(prompt) == expected
