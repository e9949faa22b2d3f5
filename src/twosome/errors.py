"""Every error that twosome raises on purpose.

::

    TwosomeError
    ├── ConfigError             a setting is out of range, misspelt or contradicts another
    ├── EnvError              an environment is unknown, or breaks the contract of `envs/text.py`
    │   ├── NoActionError       a decision offers nothing to choose from
    │   └── EnvCrashError       an environment raised an exception, its process died, or it did not answer in time
    ├── ModelError              a language model cannot be found, loaded or scored with
    │   └── PromptTooLongError  a prompt with its actions does not fit into the model's context
    ├── RunError                a run directory is missing, foreign, damaged or cannot be written
    │   └── CheckpointError     the same for one checkpoint
    ├── DivergedError           training met a number that is not finite
    ├── RankError               another process of the same training has failed
    └── MissingExtraError       an optional dependency is needed that is not installed

A message says what was expected, what was found, and what to do. The command line prints it as one
paragraph and exits with 1; a library user catches `TwosomeError` or one of its kinds. What it repeats of a
foreign value goes through `quote`, so that it stays one short line without control characters.
"""

import reprlib
import unicodedata

_QUOTED_CHARACTERS = 120
_STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Categories of Unicode: controls, invisible formats (also of the order of writing), halves of pairs, separators."""


class TwosomeError(Exception):
    """Something that the user can mend; the message says how."""


class ConfigError(TwosomeError, ValueError):
    """A setting is out of range, misspelt or contradicts another."""


class EnvError(TwosomeError):
    """An environment is unknown, or breaks the contract that `twosome.envs.text` describes."""


class NoActionError(EnvError, ValueError):
    """A decision offers nothing to choose from, so no policy exists."""


class EnvCrashError(EnvError):
    """An environment raised an exception, its process died, or it did not answer in time."""


class ModelError(TwosomeError):
    """A language model cannot be found, loaded or scored with."""


class PromptTooLongError(ModelError, ValueError):
    """A prompt with its actions does not fit into the model's context."""


class RunError(TwosomeError):
    """A run directory is missing, foreign, damaged or cannot be written."""


class CheckpointError(RunError):
    """A checkpoint is missing, foreign or damaged."""


class DivergedError(TwosomeError):
    """Training met a number that is not finite."""


class RankError(TwosomeError):
    """Another process of the same training has failed, so this one cannot go on."""


class MissingExtraError(TwosomeError, ImportError):
    """An optional dependency is needed that is not installed."""


def quote(value: object) -> str:
    """The value in at most a line, for a message: shortened in its middle, every unprintable character escaped.

    Safe for values of any size, depth and type, and for a terminal.

    >>> print(quote(["a"] * 1000))
    ['a', 'a', 'a', 'a', ...]
    """
    short = reprlib.Repr()
    short.maxlevel = 3
    short.maxlist = short.maxtuple = short.maxdict = short.maxset = short.maxfrozenset = 4
    short.maxstring = short.maxother = short.maxlong = _QUOTED_CHARACTERS
    try:
        text = short.repr(value)
    except Exception:  # a value may lie about its own repr, and numbers of thousands of digits have none
        text = f"<{type(value).__name__}>"
    text = "".join(c if c.isprintable() else _escaped(c) for c in text)
    half = _QUOTED_CHARACTERS // 2 - 2
    return text if len(text) <= _QUOTED_CHARACTERS else f"{text[:half]}...{text[-half:]}"


def visible(text: str) -> str:
    r"""The text as a terminal may show it: what would steer the terminal, or hide, is written out.

    Ends of lines and tabs stay, and so does what joins letters and emoji.

    >>> print(visible("red \x1b[31m, 赤"))
    red \x1b[31m, 赤
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character in "\n\t\u200c\u200d":
        return character
    return _escaped(character) if unicodedata.category(character) in _STEERING else character


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode()
