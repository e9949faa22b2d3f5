"""Tasks that measure what `hearth` knows of English, to see whether training a policy costs it any of that.

Five multiple-choice tasks and held-out documents, in the words of the corpus and under another seed. Nothing in them
leaks a task of the environments (`hearth.corpus.leaks`), so that they ask for language, not for what training teaches.
``python -m hearth.retention`` writes their data where `twosome retain` finds it; the same code writes the same bytes.
"""

import itertools
import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hearth.corpus import documents, leaks
from hearth.corpus import words as lexicon
from hearth.corpus.grammar import NAMES, YOU, Voice, cap, is_plural, join
from hearth.corpus.plans import FAMILIES
from hearth.corpus.situations import render_goal, render_state

FOLDER = Path(__file__).parents[1] / "src" / "twosome" / "evaluate" / "retention_tasks"
SEED = 2_000_003
"""Neither that of the corpus nor that of the documents which `hearth.build` measures perplexity on."""
SITUATIONS, WANDER = 0.2, 0.15
ITEMS = {"cloze": 400, "next_step": 400, "affordance": 200, "where_is": 300, "grammar": 400, "perplexity": 300}
"""How many of each; there are hardly more than 200 affordances and 300 whereabouts."""
CHOICES = 4
NOUNS = sorted(
    {
        noun
        for group in (
            lexicon.VEGETABLES + lexicon.FRUITS + lexicon.MEALS + lexicon.DRINKS + lexicon.DISHES + lexicon.CLOTH,
            lexicon.OTHER + lexicon.DOORS,
            *lexicon.PLACES.values(),
        )
        for noun in group
        if " " not in noun
    }
)

Item = dict[str, Any]


def _item(rng: random.Random, prompt: str, right: str, wrong: list[str]) -> Item:
    """A question with its choices shuffled; ``answer`` is the index of the right one."""
    choices = [right, *wrong]
    rng.shuffle(choices)
    return {"prompt": prompt, "choices": choices, "answer": choices.index(right)}


def _texts(name: str) -> Iterator[str]:
    """Held-out documents, others for each task."""
    return documents(SEED + list(ITEMS).index(name), SITUATIONS, WANDER)


def cloze(rng: random.Random) -> Iterator[Item]:
    """The last word of a document, a noun that the document has named before."""
    for text in _texts("cloze"):
        before, _, last = text.removesuffix(".").rpartition(" ")
        earlier = set(re.findall(r"[a-z]+", before.lower()))
        if before.endswith(" the") and last in NOUNS and last in earlier:
            named = [noun for noun in NOUNS if noun in earlier and noun != last]
            wrong = rng.sample(named, min(2, len(named)))
            wrong += rng.sample([noun for noun in NOUNS if noun not in earlier], CHOICES - 1 - len(wrong))
            yield _item(rng, before, f"{last}.", [f"{noun}." for noun in wrong])


def next_step(rng: random.Random) -> Iterator[Item]:
    """A moment of a plan, and four of its steps."""
    while True:
        plan = rng.choices(list(FAMILIES), weights=list(FAMILIES.values()))[0](rng)
        moment = rng.choice(plan.moments)
        others = sorted({other.step for other in plan.moments} - {moment.step})
        prompt = " ".join([render_goal(rng, YOU, plan.goal), *render_state(rng, YOU, moment), "Now you"])
        wrong = [f"{step}." for step in rng.sample(others, CHOICES - 1)]
        yield _item(rng, prompt, f"{moment.step}.", wrong)


def affordance(rng: random.Random) -> Iterator[Item]:
    """What a thing is for, or what is needed for a use."""
    things = list(lexicon.USES)
    while True:
        thing = rng.choice(things)
        use = rng.choice(lexicon.USES[thing])
        others = rng.sample([other for other in things if use not in lexicon.USES[other]], CHOICES - 1)
        if rng.random() < 0.5:
            yield _item(rng, f"If you want to {use}, you need", f"{thing}.", [f"{other}." for other in others])
        else:
            prompt = rng.choice((f"{cap(thing)} is used to", f"With {thing} you can", f"People use {thing} to"))
            uses = {rng.choice(lexicon.USES[other]) for other in others} - set(lexicon.USES[thing])
            if len(uses) == CHOICES - 1:
                yield _item(rng, prompt, f"{use}.", [f"{other}." for other in sorted(uses)])


def where_is(rng: random.Random) -> Iterator[Item]:
    """The room that a thing, or two, belong to."""
    while True:
        room = rng.choice(list(lexicon.PLACES))
        things = rng.sample(lexicon.PLACES[room], rng.choice((1, 2, 2)))
        verb = "are" if len(things) > 1 or is_plural(things[0]) else "is"
        elsewhere = [r for r, here in lexicon.PLACES.items() if not set(things) <= set(here)]
        wrong = [f"{other}." for other in rng.sample(elsewhere, CHOICES - 1)]
        yield _item(rng, f"{cap(join([f'the {t}' for t in things]))} {verb} in the", f"{room}.", wrong)


def grammar(rng: random.Random) -> Iterator[Item]:
    """A sentence and the same with one mistake: agreement, the article's form, or the order of two words."""
    mistakes = itertools.cycle((_wrong_copula, _wrong_article, _wrong_order, None))
    sentences = (cap(part) + "." for text in _texts("grammar") for part in text.rstrip(".").split(". "))
    for mistake in mistakes:
        if mistake is None:
            good, bad = _wrong_verb(rng)
        else:
            good, bad = next((s, wrong) for s in sentences if "?" not in s and (wrong := mistake(s)) and wrong != s)
        yield {"good": good, "bad": bad}


def _wrong_copula(sentence: str) -> str:
    """The copula in the other number."""
    other = {"is": "are", "are": "is", "was": "were", "were": "was", "am": "is"}
    return re.sub(r"\b(is|are|was|were|am)\b", lambda found: other[found[1]], sentence, count=1)


def _wrong_article(sentence: str) -> str:
    """An before a consonant, or a before a vowel."""
    return re.sub(r"\b(a|an) (?=[a-z])", lambda found: {"a": "an ", "an": "a "}[found[1]], sentence, count=1)


def _wrong_order(sentence: str) -> str:
    """The article after its noun."""
    return re.sub(rf"\bthe ({'|'.join(NOUNS)})\b(?=[ .])", r"\1 the", sentence, count=1)


def _wrong_verb(rng: random.Random) -> tuple[str, str]:
    """A verb in the present tense, and the same in the wrong person."""
    voice = Voice(*rng.choice(NAMES)) if rng.random() < 0.7 else YOU
    other = YOU if voice.third else Voice("she", "she", "her")
    step = rng.choice(rng.choice(list(FAMILIES))(rng).moments).step
    lead = rng.choice(("", "Now ", "Then ", "Next "))
    good, bad = (cap(f"{lead}{voice.subject} {who.verb(step)}.") for who in (voice, other))
    return good, bad


TASKS: dict[str, Callable[[random.Random], Iterator[Item]]] = {
    "cloze": cloze,
    "next_step": next_step,
    "affordance": affordance,
    "where_is": where_is,
    "grammar": grammar,
}


def items(name: str) -> list[Item]:
    """The items of a task, each another and none with a leak; ``"perplexity"`` has held-out documents."""
    if name == "perplexity":
        return [{"text": text} for text in itertools.islice(_texts(name), ITEMS[name])]
    found: dict[str, Item] = {}
    for item in TASKS[name](random.Random(f"retention {name} {SEED}")):
        said = item["good"] if "good" in item else f"{item['prompt']} {item['choices'][item['answer']]}"
        if not any(leaks(text) for text in (said, json.dumps(item))):
            found.setdefault(said, item)
        if len(found) == ITEMS[name]:
            return list(found.values())
    raise AssertionError("unreachable: tasks are endless")


def content(name: str) -> str:
    """The data file of a task."""
    return "".join(json.dumps(item) + "\n" for item in items(name))


def main() -> None:
    """Write the data of every task."""
    for name in ITEMS:
        path = FOLDER / f"{name}.jsonl"
        path.write_text(content(name))
        print(f"{path.name:<18} {path.stat().st_size:>7} bytes")


if __name__ == "__main__":
    main()
