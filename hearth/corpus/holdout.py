"""What the corpus must never contain: the combinations that make up the tasks, seen and unseen.

Nouns are not held out, since a word that hardly occurs means nothing to the model; combinations are.
"""

import re

HEATED = ("pancake", "cheese", "hamburger", "apple pie", "pizza")
SALAD = ("tomato", "lettuce", "onion")


def leaks(text: str) -> bool:
    """Whether ``text`` has a combination of things that only the tasks may have."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    has = text.lower().__contains__
    if "microwave" in words and any(map(has, HEATED)):
        return True
    if "dishwasher" in words and words & {"plate", "plates"}:
        return True
    if has("washing machine") and "clothes" in words:
        return True
    if any(map(has, SALAD)) and (words & {"bowl", "board", "boards"}) and (words & {"chop", "chops", "chopped"}):
        return True
    if {"tv", "sofa"} <= words and words & {"chips", "milk"}:
        return True
    return {"chips", "milk"} <= words and bool(words & {"tv", "sofa"})
