"""Documents without a described situation: facts, recipes, chains of steps, reminders, small stories."""

import random

from hearth.corpus.grammar import NAMES, Voice, a, cap, is_plural, join, some_voice
from hearth.corpus.words import (
    ACTORS,
    CLOTH,
    DEEDS,
    DISHES,
    DOORS,
    DRINKS,
    FRUITS,
    MADE,
    MEALS,
    OTHER,
    PLACES,
    ROOMS,
    SPOTS,
    TRAITS,
    USES,
    VEGETABLES,
    WEATHER,
    words,
)

ORDER = ("Then", "Next", "After that", "Now")
GENERAL = (
    "Raw vegetables are chopped on a cutting board.",
    "A salad is served in a bowl.",
    "A closed door must be opened before you can go in.",
    "Who holds something has a hand that is not free.",
)


def _anything(rng: random.Random) -> str:
    return rng.choice(rng.choice((VEGETABLES, FRUITS, MEALS, MEALS, DRINKS, DISHES, CLOTH, OTHER)))


def _use(rng: random.Random) -> str:
    thing, uses = rng.choice(list(USES.items()))
    use = rng.choice(uses)
    ways = (
        f"{cap(thing)} is used to {use}.",
        f"With {thing} you can {use}.",
        f"If you want to {use}, you need {thing}.",
        f"People use {thing} to {use}.",
    )
    return rng.choice(ways)


def _trait(rng: random.Random) -> str:
    thing, traits = rng.choice(list(TRAITS.items()))
    verb, trait = "are" if is_plural(thing) else "is", rng.choice(traits)
    return rng.choice((f"The {thing} {verb} {trait}.", f"{cap(a(thing))} {verb} often {trait}."))


def _inventory(rng: random.Random) -> str:
    room = rng.choice(tuple(PLACES))
    things = rng.sample(PLACES[room], rng.choice((1, 2, 3)))
    named = join([f"the {t}" for t in things])
    verb = "are" if len(things) > 1 or is_plural(things[0]) else "is"
    ways = (
        f"{cap(named)} {verb} in the {room}.",
        f"In the {room} you find {named}.",
        f"In the {room} there {verb} {named}.",
    )
    return rng.choice(ways)


def _spot(rng: random.Random) -> str:
    thing, spot = _anything(rng), rng.choice(SPOTS)
    verb = "are" if is_plural(thing) else "is"
    ways = (f"The {thing} {verb} {spot}.", f"You find the {thing} {spot}.", f"Somebody left the {thing} {spot}.")
    return rng.choice(ways)


def _made_of(rng: random.Random) -> str:
    food, dish = rng.choice(VEGETABLES + FRUITS), rng.choice(MADE)
    ways = (
        f"{cap(a(f'{food} {dish}'))} is made with {a(food)}.",
        f"For {a(f'{food} {dish}')} you need {a(food)}.",
        f"In {a(f'{food} {dish}')} there is {a(food)}.",
    )
    return rng.choice(ways)


def _kind_of(rng: random.Random) -> str:
    ways = (
        f"{cap(rng.choice(DRINKS))} is something to drink.",
        f"{cap(a(rng.choice(MEALS)))} is something to eat.",
        f"{cap(a(rng.choice(VEGETABLES)))} is a vegetable.",
        f"{cap(a(rng.choice(FRUITS)))} is a fruit.",
        *GENERAL,
    )
    return rng.choice(ways)


def _door(rng: random.Random) -> str:
    thing = rng.choice(DOORS)
    ways = (
        f"Before you put something in the {thing}, open the {thing}.",
        f"When something is in the {thing}, close the {thing}.",
        f"If the {thing} is closed, you cannot put anything in it.",
        f"Close the {thing} after you have put food or other things in.",
    )
    return rng.choice(ways)


def _way(rng: random.Random) -> str:
    one, two = (f"the {room}" for room in rng.sample(ROOMS, 2))
    ways = (f"From {one} you can go to {two}.", f"You walk from {one} to {two}.", f"{cap(one)} is next to {two}.")
    return rng.choice(ways)


FACTS = (_use, _trait, _inventory, _spot, _made_of, _kind_of, _door, _way)


def _facts(rng: random.Random) -> str:
    return " ".join(rng.choice(FACTS)(rng) for _ in range(rng.randint(2, 5)))


Steps = tuple[str, tuple[str, ...]]
"""A goal and its steps, all as infinitives without "to"."""


def _recipe_steps(rng: random.Random) -> Steps:
    v, w = rng.sample(VEGETABLES, 2)
    f, g = rng.sample(FRUITS, 2)
    spread = rng.choice(words("cheese, tomato, egg, cucumber, lettuce, butter"))
    fried = rng.choice(words("pancake, hamburger, egg, onion, mushroom, potato"))
    baked = rng.choice(words("bread, cake, apple pie, pizza, potato, cookies"))
    dirty = rng.choice(words("clothes, towel, shirt, cup, plate, glass, socks"))
    more, end = rng.choice(("add water", f"add {a(w)}")), rng.choice(("serve the fruit salad", "eat the salad"))
    recipes = {
        f"make {a(f'{v} soup')}": f"wash the {v}, cut the {v}, put the {v} in the pot, {more}, stir the soup, "
        "serve the soup",
        "make a fruit salad": f"pick up the {f}, chop the {f}, take the {g}, slice the {g}, "
        f"put the fruit in the bowl, {end}",
        "make tea": "fill the kettle, switch on the kettle, take a cup, put the tea in the cup, add hot water, "
        "drink the tea",
        f"make {a(f'{spread} sandwich')}": f"take the bread, slice the bread, grab the {spread}, "
        f"put the {spread} on the bread, put the sandwich on a plate",
        f"fry {a(fried)}": "take the pan, put the pan on the stove, switch on the stove, "
        f"put the {fried} in the pan, wait a little, put the {fried} on a plate",
        f"bake {a(baked)}": f"heat the oven, open the oven, put the {baked} in the oven, close the oven, wait, "
        f"take out the {baked}",
        f"wash the {dirty}": f"carry the {dirty} to the sink, open the water, wash the {dirty} with soap, "
        f"dry the {dirty}, put the {dirty} away",
    }
    goal = rng.choice(list(recipes))
    return goal, words(recipes[goal])


def _activity(rng: random.Random) -> Steps:
    thing, room = _anything(rng), rng.choice(ROOMS)
    spot = rng.choice(words("shelf, kitchen table, coffee table, desk, bench, chair, floor, bed"))
    drink, meal, cloth = rng.choice(DRINKS), rng.choice(MEALS), rng.choice(CLOTH)
    device, seat = rng.choice(words("TV, lamp, radio")), rng.choice(words("sofa, armchair, chair, bed"))
    lost = rng.choice(words("letter, keys, book, ball, toys, newspaper"))
    activities = {
        f"put the {thing} on the {spot}": f"find the {thing}, walk to the {thing}, pick up the {thing}, "
        f"go to the {room}, walk to the {spot}, put the {thing} on the {spot}",
        "have breakfast": f"take the {drink}, take the {meal}, go to the table, sit down, eat the {meal}, "
        f"drink the {drink}",
        rng.choice(("rest a little", "have a nice evening", "relax")): "go to the living room, "
        f"walk to the {device}, switch on the {device}, walk to the {seat}, sit down on the {seat}",
        f"tidy up the {cloth}": f"take the {cloth}, go to the bedroom, open the wardrobe, "
        f"put the {cloth} in the wardrobe, close the wardrobe",
        f"find the {lost}": f"go to the hall, look around, open the drawer, close the drawer, pick up the {lost}",
        "go to sleep": "switch off the TV, stand up, go to the bathroom, wash your hands, go to the bedroom, "
        "lie down on the bed",
    }
    goal = rng.choice(list(activities))
    return goal, words(activities[goal])


def _steps(rng: random.Random) -> Steps:
    return (_recipe_steps if rng.random() < 0.55 else _activity)(rng)


def _recipe(rng: random.Random) -> str:
    """Imperatives in order, with words of order."""
    goal, steps = _steps(rng)
    order = ["First", *[rng.choice(ORDER) for _ in steps[2:]], "At last"]
    body = " ".join(f"{word} {step}." for word, step in zip(order, steps, strict=True))
    return rng.choice((f"How to {goal}. {body}", f"To {goal}, do this. {body}", f"You want to {goal}? {body}"))


def _chain(rng: random.Random) -> str:
    """Infinitives in a row."""
    goal, steps = _steps(rng)
    start = rng.randrange(len(steps) - 2)
    part = join(steps[start : start + rng.randint(2, 5)])
    ways = (
        f"To {goal}, you have to {part}.",
        f"It takes some steps to {goal}: {part}.",
        f"{cap(rng.choice(NAMES)[0])} has to {part} to {goal}.",
    )
    return rng.choice(ways)


def _before(rng: random.Random) -> str:
    """What comes before what."""
    out = []
    for _ in range(rng.randint(1, 3)):
        _, steps = _steps(rng)
        i = rng.randrange(len(steps) - 1)
        one, two = steps[i], steps[i + 1]
        ways = (
            f"Before you {two}, you {one}.",
            f"After you {one}, you {two}.",
            f"When you have to {two}, first {one}.",
            f"You {one} and then you {two}.",
            f"First you {one}, then you {two}.",
        )
        out.append(rng.choice(ways))
    return " ".join(out)


def _told(voice: Voice, step: str) -> str:
    return voice.verb(step.replace("your hands", f"{voice.possessive} hands"))


def _story(rng: random.Random) -> str:
    """Somebody goes through all the steps."""
    voice = some_voice(rng, you=0.15)
    goal, steps = _steps(rng)
    want = voice.verb(rng.choice(words("want, need, plan, have")))
    out = [f"{cap(voice.subject)} {want} to {goal}."]
    if rng.random() < 0.5:
        where = f"{voice.verb('be')} in the {rng.choice(ROOMS)}."
        out.insert(rng.randrange(2), f"{cap(voice.subject)} {where}")
    for step in steps:
        lead = rng.choice(("", "", "Then ", "Now ", "Next ", "So ", "After that "))
        out.append(cap(f"{lead}{voice.pronoun} {_told(voice, step)}."))
    if rng.random() < 0.4:
        happy = f"{cap(voice.pronoun)} {voice.verb('be')} happy."
        out.append(rng.choice(("It was a good day.", "That was easy.", "All is done now.", happy)))
    return " ".join(out)


def _scene(rng: random.Random) -> str:
    """Things that are seen, held or eaten, without a plan: exposure for nouns."""
    voice = some_voice(rng, you=0.3)
    out: list[str] = []
    for _ in range(rng.randint(2, 4)):
        t, u, room = _anything(rng), _anything(rng), rng.choice(ROOMS)
        place = rng.choice(PLACES[rng.choice(tuple(PLACES))])
        deeds = (
            f"see the {t}",
            f"like the {t}",
            f"hold the {t}",
            f"look at the {t} and the {u}",
            f"buy {a(t)} and {a(u)}",
            f"put the {t} next to the {u}",
            f"carry the {t} to the {room}",
            f"bring the {t} from the {room}",
            f"pick up the {t}",
            f"clean the {place}",
            f"eat {a(rng.choice(MEALS))} with {a(rng.choice(DRINKS))}",
            f"walk to the {place}",
        )
        out.append(f"{cap(voice.pronoun if out else voice.subject)} {voice.verb(rng.choice(deeds))}.")
    return " ".join(out)


def _world(rng: random.Random) -> str:
    """What goes on outside the house: other words, other sentences."""
    out = [f"The {rng.choice(ACTORS)} {rng.choice(DEEDS)}." for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.6:
        out.insert(rng.randrange(2), rng.choice(WEATHER))
    return " ".join(out)


KINDS = {_facts: 20, _recipe: 15, _chain: 13, _before: 13, _story: 18, _scene: 14, _world: 9}
"""The kinds of plain documents, and how often each is made."""


def document(rng: random.Random) -> str:
    """One plain document."""
    return rng.choices(list(KINDS), weights=list(KINDS.values()))[0](rng)
