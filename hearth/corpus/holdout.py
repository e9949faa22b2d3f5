"""What the corpus must never contain: the combinations that make up the tasks, seen and unseen.

Nouns are not held out, since a word that hardly occurs means nothing to the model; combinations are.
"""

import re

HEATED = ("pancake", "cheese", "hamburger", "apple pie", "pizza")
SALAD = ("tomato", "lettuce", "onion")

PANEL = frozenset(
    f"the {thing} {place}"
    for place, things in {
        "in the fridge": ("apple", "cake"),
        "in the dishwasher": ("bowl", "spoon"),
        "in the cupboard": ("bread", "cup", "juice", "spoon"),
        "in the drawer": ("socks",),
        "on the coffee table": ("apple", "cake", "cup"),
        "on the desk": ("book", "bowl", "glass"),
        "on the kitchen table": ("bowl",),
        "on the bookshelf": ("newspaper",),
        "on the washing basket": ("towel",),
    }.items()
    for thing in things
)
"""Combinations of the fixed panel of household tasks that training never meets."""


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
    if {"tv", "sofa"} <= words and (words & {"chips", "milk"} or has("coffee table")):
        return True
    if any(map(has, PANEL)):
        return True
    return {"chips", "milk"} <= words and bool(words & {"tv", "sofa"})
