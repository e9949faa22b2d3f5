"""The one value that passes between environments and models: a prompt and the phrases that may follow it."""

from dataclasses import dataclass

from twosome.errors import EnvError, NoActionError, quote


def text_faults(prompt: object, actions: object, num_actions: int | None = None) -> list[str]:
    """What keeps these from being the texts of a decision; whether an action is available is not looked at.

    Args:
        prompt: the state as text.
        actions: one phrase for each action id.
        num_actions: how many ids there are; None: any number.
    """
    faults = []
    if not isinstance(prompt, str):
        faults.append(f"expected the prompt to be a text, found {quote(prompt)}.")
    else:
        if prompt != prompt.rstrip():
            faults.append(
                f"expected a prompt without a blank at its end, found one that ends in {quote(prompt[-40:])}."
            )
        faults += _character_faults(prompt)
    if (
        not isinstance(actions, tuple)
        or num_actions not in (None, len(actions))
        or not all(isinstance(phrase, str) for phrase in actions)
    ):
        many = "texts" if num_actions is None else f"{num_actions} texts"
        faults.append(f"expected the actions to be a tuple of {many}, one for each id, found {quote(actions)}.")
    else:
        if padded := [phrase for phrase in actions if phrase != phrase.strip()]:
            faults.append(f"expected phrases without blanks around them, found {quote(padded)}.")
        faults += [fault for phrase in actions for fault in _character_faults(phrase)]
    return faults


@dataclass(frozen=True)
class Decision:
    """A moment of choice, as text alone: frozen, hashable, equal when the texts are equal.

    A model reads ``prompt``, one space (in every script), and an action's phrase. The prompt therefore ends in an
    unfinished sentence without a trailing blank, and a phrase reads on from it.

    Args:
        prompt: the state as text.
        actions: one phrase for each action id; ``""`` where the action is not available now. The
            position of a phrase is the id that the environment's `step` takes.

    Raises:
        NoActionError: no action is available.
        EnvError: the prompt or a phrase is no text, holds characters that no text has, or has blanks where a model
            would read them.

    >>> decision = Decision("You hold a raw tomato. You should", ("chop the tomato", "", "serve the tomato"))
    >>> decision.available
    (0, 2)
    """

    prompt: str
    actions: tuple[str, ...]

    def __post_init__(self) -> None:
        if faults := text_faults(self.prompt, self.actions):
            raise EnvError(" ".join(faults))
        if not any(self.actions):
            raise NoActionError(
                f"no action is available after the prompt {quote(self.prompt)}: expected at least one phrase that "
                f"is not empty among {len(self.actions)} actions. Offer an action in every state, or end the episode."
            )

    @property
    def available(self) -> tuple[int, ...]:
        """Ids of the actions that can be chosen now, in order."""
        return tuple(i for i, phrase in enumerate(self.actions) if phrase)


def _character_faults(text: str) -> list[str]:
    """What in a text is no character: tokenizers take UTF-8, and some end a text at NUL."""
    if text.isascii() and "\0" not in text:
        return []
    found = next((character for character in text if character == "\0" or "\ud800" <= character <= "\udfff"), None)
    if found is None:
        return []
    what = "NUL" if found == "\0" else "half of a surrogate pair"
    return [
        f"expected prompts and phrases of Unicode characters, found U+{ord(found):04X} ({what}) at place "
        f"{text.index(found)} of {quote(text)}. Decode bytes with the encoding that they were written in, or with "
        "errors='replace'."
    ]
