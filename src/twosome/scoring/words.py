"""Where normalization by words means nothing: scripts that put no blanks between words."""

import re
import warnings
from collections.abc import Iterable

# Two neighboring letters of Thai, Lao, Tibetan, Burmese, Khmer, kana or Han. Korean has blanks.
_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]{2}"
)


class NoWordsWarning(UserWarning):
    """Phrases are in a script without blanks, so that each counts as a single word."""


def warn_of_no_words(phrases: Iterable[str]) -> None:
    """Warn if a phrase is of a script without blanks; always in the same words, which Python then shows once."""
    if any(_WITHOUT_BLANKS.search(phrase) for phrase in phrases):
        warnings.warn(
            "some phrases are in a script without blanks between words, so that each stretch of it counts as one word: "
            "normalization 'word' is nearly 'none' for them. Choose 'none', 'token' or 'byte'.",
            NoWordsWarning,
            stacklevel=2,
        )
