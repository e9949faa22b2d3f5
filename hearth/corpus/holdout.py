"""What the corpus must never contain: the combinations that make up the tasks, seen and unseen.

Nouns are not held out, since a word that hardly occurs means nothing to the model; combinations are.
"""

import re

from hearth.corpus.words import words

HEATED = ("pancake", "cheese", "hamburger", "apple pie", "pizza")
SALAD = ("tomato", "lettuce", "onion")

PANEL = frozenset(
    f"the {thing} {place}"
    for place, things in {
        "in the cupboard": words("bread, cup, juice, spoon"),
        "in the dishwasher": words("bowl, spoon"),
        "in the drawer": words("socks"),
        "in the fridge": words("apple, cake"),
        "on the bookshelf": words("newspaper"),
        "on the coffee table": words("apple, cake, cup, juice, spoon"),
        "on the desk": words("book, bowl, glass"),
        "on the kitchen table": words("bowl, juice"),
        "on the washing basket": words("socks, towel"),
    }.items()
    for thing in things
)
"""Combinations of the fixed panel of household tasks that training never meets."""


def leaks(text: str) -> bool:
    """Whether ``text`` has a combination of things that only the tasks may have."""
    used = set(re.findall(r"[a-z]+", text.lower()))
    has = text.lower().__contains__
    if "microwave" in used and any(map(has, HEATED)):
        return True
    if "dishwasher" in used and used & {"plate", "plates"}:
        return True
    if has("washing machine") and "clothes" in used:
        return True
    if any(map(has, SALAD)) and (used & {"bowl", "board", "boards"}) and (used & {"chop", "chops", "chopped"}):
        return True
    if {"tv", "sofa"} <= used and (used & {"chips", "milk"} or has("coffee table")):
        return True
    if any(map(has, PANEL)):
        return True
    return {"chips", "milk"} <= used and bool(used & {"tv", "sofa"})
