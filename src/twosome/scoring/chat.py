"""A prompt through a tokenizer's chat template: the situation as the user's message, the sentence as the answer begun.

Templates come with models and do as they like. What one makes of a prompt counts only if the situation is in it and
the unfinished sentence ends it, so that no template changes a prompt without a word.
"""

import re
import warnings
from collections.abc import Callable
from typing import Any

from twosome.errors import ModelError, quote

# A full stop of the Latin kind ends a sentence before a blank alone, or 3.5 would be two; the others wherever they
# stand. A new line begins a sentence, too.
_SENTENCE_END = re.compile(
    r"""(?: [.!?\u2026]["')\]\u2019\u201d\u00bb]*\s+
          | [\u3002\uff01\uff1f\uff61\uff0e\u061f\u06d4\u0964\u0965\u1362\u1367\u17d4\u104b\u0589\u0f0d]
            ["')\]\u2019\u201d\u00bb\u300d\u300f\u3011\uff09]*\s*
          | [\n\r\v\f\x85\u2028\u2029]\s*
        )(?=\S)""",
    re.VERBOSE,
)


class EmptyMessageWarning(UserWarning):
    """Nothing stands before a prompt's unfinished sentence, so that the user says nothing in the chat."""


def split_last_sentence(prompt: str) -> tuple[str, str]:
    r"""What stands before the unfinished last sentence or line, and that sentence.

    >>> split_last_sentence("A bowl is in sight. Your hands are empty. Now you")
    ('A bowl is in sight. Your hands are empty.', 'Now you')
    >>> split_last_sentence("bowl: here\nhands: empty\nnext:")
    ('bowl: here\nhands: empty', 'next:')
    >>> split_last_sentence("Now you")
    ('', 'Now you')
    """
    ends = [match.end() for match in _SENTENCE_END.finditer(prompt)]
    start = ends[-1] if ends else 0
    return prompt[:start].rstrip(), prompt[start:]


def render_chat(tokenizer: Any, prompt: str) -> str:
    """The prompt as a chat in which the assistant has begun its answer.

    Raises:
        ModelError: the template fails, or leaves out the situation or the unfinished sentence.
    """
    situation, opening = split_last_sentence(prompt)
    if not situation:
        warnings.warn(
            f"the prompt {quote(prompt)} is a single sentence, so the user's message in the chat is empty. Put what "
            "the user says in sentences, or lines, of their own before the unfinished one.",
            EmptyMessageWarning,
            stacklevel=2,
        )
    faults = []
    for rendering in (_continued, _prompted):
        for content in (str, _parts):
            try:
                text = rendering(tokenizer, content, situation, opening)
            # A template is a program that came with the model: it may raise whatever it likes.
            except Exception as error:
                faults.append(f"{type(error).__name__}: {quote(str(error))}")
                continue
            is_kept = text.endswith(opening) and situation.strip() in text.removesuffix(opening)
            if is_kept and str(_parts(situation)) not in text:
                return text
            faults.append(f"it makes {quote(text)} of it")
    why = "; ".join(dict.fromkeys(faults[::2]))
    asked = "" if situation else " It may be that the user's message must not be empty: begin with a whole sentence."
    raise ModelError(
        f"the chat template of this tokenizer does not keep the prompt {quote(prompt)} as a user's message that is "
        f"followed by the beginning of the assistant's answer, {quote(opening)} ({why}).{asked} "
        "Use prompt_format='plain', or mend the template (chat_template.jinja, or in tokenizer_config.json)."
    )


def _continued(tokenizer: Any, content: Callable[[str], Any], situation: str, opening: str) -> str:
    """As the template writes an assistant's message that is to be continued."""
    messages = [
        {"role": "user", "content": content(situation)},
        {"role": "assistant", "content": content(opening)},
    ]
    text: str = tokenizer.apply_chat_template(messages, tokenize=False, continue_final_message=True)
    return text


def _prompted(tokenizer: Any, content: Callable[[str], Any], situation: str, opening: str) -> str:
    """Where a template refuses or rewrites an unfinished answer: behind the prompt for an answer."""
    messages = [{"role": "user", "content": content(situation)}]
    asked, prompted = (
        tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompts)
        for prompts in (False, True)
    )
    if asked == prompted:
        raise ValueError("the template has no prompt for an answer")
    return f"{prompted}{opening}"


def _parts(text: str) -> list[dict[str, str]]:
    """A message's content as templates of models that also read pictures want it."""
    return [{"type": "text", "text": text}]
