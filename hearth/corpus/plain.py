"""Documents without a described situation: facts, recipes, chains of steps, reminders, small stories."""

import random

from hearth.corpus.grammar import NAMES, Voice, a, cap, is_plural, join, some_voice

VEGETABLES = ("tomato", "lettuce", "onion", "carrot", "cucumber", "potato", "pepper", "cabbage", "mushroom", "beet")
FRUITS = ("apple", "pear", "banana", "orange", "melon", "lemon", "peach")
MEALS = (
    "pancake",
    "cheese",
    "hamburger",
    "apple pie",
    "pizza",
    "soup",
    "bread",
    "egg",
    "cake",
    "sandwich",
    "rice",
    "chips",
    "cookies",
)
DRINKS = ("milk", "tea", "juice", "water", "coffee", "lemonade")
DISHES = ("plate", "cup", "bowl", "glass", "spoon", "fork", "knife", "pan", "pot")
CLOTH = ("clothes", "towel", "shirt", "socks", "blanket", "jacket")
OTHER = ("book", "lamp", "radio", "letter", "basket", "pillow", "ball", "toys", "flowers", "keys", "newspaper", "box")
ROOMS = ("kitchen", "living room", "bathroom", "bedroom", "garden", "hall")
PLACES = {
    "kitchen": (
        "fridge",
        "microwave",
        "oven",
        "dishwasher",
        "sink",
        "kitchen table",
        "counter",
        "cutting board",
        "cupboard",
        "stove",
    ),
    "living room": ("sofa", "TV", "coffee table", "armchair", "lamp", "shelf", "radio", "fireplace", "bookshelf"),
    "bathroom": ("washing machine", "sink", "bath", "mirror", "towel", "washing basket", "stool", "heater"),
    "bedroom": ("bed", "lamp", "wardrobe", "desk", "pillow", "drawer", "computer", "chair"),
    "garden": ("bench", "tree", "swing", "flowers", "shed"),
    "hall": ("door", "coat", "stairs", "shoes", "mirror"),
}
USES = {
    "a microwave": ("warm up food", "heat cold soup", "make food hot in a short time", "heat a cold meal"),
    "an oven": ("bake bread", "bake a cake", "roast a potato"),
    "a fridge": ("keep food cold", "keep milk fresh", "store cheese and butter"),
    "a dishwasher": ("wash dirty dishes", "clean cups and spoons", "get the dishes clean"),
    "a washing machine": ("wash dirty laundry", "get towels clean", "wash socks and shirts"),
    "a cutting board": ("chop vegetables", "cut bread", "slice fruit"),
    "a knife": ("cut bread", "chop a carrot", "slice an apple"),
    "a bowl": ("hold a salad", "serve soup", "mix things"),
    "a plate": ("serve a meal", "hold a sandwich", "put food on"),
    "a sofa": ("sit down", "rest", "sit with friends"),
    "a TV": ("watch a film", "see the news", "watch a show in the evening"),
    "a coffee table": ("put drinks on", "put snacks on", "hold cups and books"),
    "a bed": ("sleep", "rest at night"),
    "a lamp": ("get light", "read in the evening"),
    "a radio": ("listen to music", "hear the news"),
    "a sink": ("wash hands", "wash a cup", "rinse vegetables"),
    "a stove": ("boil water", "fry an egg", "cook soup"),
    "a shelf": ("keep books", "store boxes"),
    "a cupboard": ("keep cups and glasses", "store plates"),
    "a computer": ("write a letter", "play a game"),
    "a heater": ("warm the room",),
    "a stool": ("sit down",),
    "a bookshelf": ("keep books", "store newspapers"),
    "a washing basket": ("collect dirty clothes", "carry laundry"),
    "a kettle": ("boil water for tea",),
}
TRAITS = {
    "tomato": ("red", "round", "fresh"), "lettuce": ("green", "fresh"), "onion": ("white", "strong"), "carrot": ("orange", "crisp"),
    "cucumber": ("green", "long"), "pancake": ("flat", "sweet", "soft"), "cheese": ("yellow", "soft"), "milk": ("white", "fresh", "cold"),
    "hamburger": ("big", "tasty"), "apple pie": ("sweet", "golden"), "pizza": ("flat", "round", "tasty"), "chips": ("salty", "crisp"),
    "tea": ("hot", "good"), "bread": ("fresh", "brown"), "sofa": ("soft", "big"), "plate": ("round", "flat"), "bowl": ("round", "deep"),
    "clothes": ("dirty", "clean", "dry"), "soup": ("hot", "good"), "TV": ("big", "loud"), "coffee table": ("low", "small"),
}  # fmt: skip
SALAD_WORDS = ("salad", "soup", "sandwich", "stew")


def _food(rng: random.Random) -> str:
    return rng.choice(rng.choice((VEGETABLES, FRUITS, MEALS)))


def _anything(rng: random.Random) -> str:
    return rng.choice(rng.choice((VEGETABLES, FRUITS, MEALS, MEALS, DRINKS, DISHES, CLOTH, OTHER)))


def _fact(rng: random.Random) -> str:
    kind = rng.randrange(8)
    if kind == 0:
        thing, uses = rng.choice(list(USES.items()))
        return rng.choice((f"{cap(thing)} is used to {rng.choice(uses)}.", f"With {thing} you can {rng.choice(uses)}.",
                           f"If you want to {rng.choice(uses)}, you need {thing}.", f"People use {thing} to {rng.choice(uses)}."))  # fmt: skip
    if kind == 1:
        thing, traits = rng.choice(list(TRAITS.items()))
        verb = "are" if is_plural(thing) else "is"
        return rng.choice(
            (f"The {thing} {verb} {rng.choice(traits)}.", f"{cap(a(thing))} {verb} often {rng.choice(traits)}.")
        )
    if kind == 2:
        room = rng.choice(tuple(PLACES))
        things = rng.sample(PLACES[room], rng.choice((1, 2, 3)))
        named = join([f"the {t}" for t in things])
        verb = "are" if len(things) > 1 or is_plural(things[0]) else "is"
        return rng.choice(
            (
                f"{cap(named)} {verb} in the {room}.",
                f"In the {room} you find {named}.",
                f"In the {room} there {verb} {named}.",
            )
        )
    if kind == 3:
        thing = _anything(rng)
        place = rng.choice(("on the kitchen table", "in the cupboard", "on the counter", "in the basket", "on the shelf", "in the fridge",
                            "on the floor", "near the window", "on the coffee table", "in the box"))  # fmt: skip
        verb = "are" if is_plural(thing) else "is"
        return rng.choice(
            (f"The {thing} {verb} {place}.", f"You find the {thing} {place}.", f"Somebody left the {thing} {place}.")
        )
    if kind == 4:
        vegetable = rng.choice(VEGETABLES + FRUITS)
        dish = rng.choice(SALAD_WORDS)
        return rng.choice((f"{cap(a(vegetable))} {dish} is made with {a(vegetable)}.", f"For {a(vegetable)} {dish} you need {a(vegetable)}.",
                           f"In {a(vegetable)} {dish} there is {a(vegetable)}."))  # fmt: skip
    if kind == 5:
        return rng.choice((f"{cap(_the(rng, DRINKS))} is something to drink.", f"{cap(a(rng.choice(MEALS)))} is something to eat.",
                           f"{cap(a(rng.choice(VEGETABLES)))} is a vegetable.", f"{cap(a(rng.choice(FRUITS)))} is a fruit.",
                           "Raw vegetables are chopped on a cutting board.", "A salad is served in a bowl.",
                           "A closed door must be opened before you can go in.", "Who holds something has a hand that is not free."))  # fmt: skip
    if kind == 6:
        thing = rng.choice(
            ("fridge", "oven", "microwave", "dishwasher", "washing machine", "cupboard", "drawer", "box")
        )
        return rng.choice((f"Before you put something in the {thing}, open the {thing}.", f"When something is in the {thing}, close the {thing}.",
                           f"If the {thing} is closed, you cannot put anything in it.", f"Close the {thing} after you have put food or other things in."))  # fmt: skip
    first, second = rng.sample(("the kitchen", "the living room", "the bedroom", "the bathroom", "the garden"), 2)
    return rng.choice(
        (
            f"From {first} you can go to {second}.",
            f"You walk from {first} to {second}.",
            f"{cap(first)} is next to {second}.",
        )
    )


def _the(rng: random.Random, nouns: tuple[str, ...]) -> str:
    return "the " + rng.choice(nouns)


def _facts(rng: random.Random) -> str:
    return " ".join(_fact(rng) for _ in range(rng.randint(2, 5)))


def _recipe_steps(rng: random.Random) -> tuple[str, list[str]]:
    """A goal and its steps as infinitives."""
    kind = rng.randrange(7)
    if kind == 0:
        v, w = rng.sample(VEGETABLES, 2)
        return f"make {a(v)} soup", [f"wash the {v}", f"cut the {v}", f"put the {v} in the pot", rng.choice(("add water", f"add {a(w)}")),
                                     "stir the soup", "serve the soup"]  # fmt: skip
    if kind == 1:
        f, g = rng.sample(FRUITS, 2)
        return "make a fruit salad", [f"pick up the {f}", f"chop the {f}", f"take the {g}", f"slice the {g}", "put the fruit in the bowl",
                                      rng.choice(("serve the fruit salad", "eat the salad"))]  # fmt: skip
    if kind == 2:
        return "make tea", [
            "fill the kettle",
            "switch on the kettle",
            "take a cup",
            "put the tea in the cup",
            "add hot water",
            "drink the tea",
        ]
    if kind == 3:
        v = rng.choice(("cheese", "tomato", "egg", "cucumber", "lettuce", "butter"))
        return f"make {a(v)} sandwich", [
            "take the bread",
            "slice the bread",
            f"grab the {v}",
            f"put the {v} on the bread",
            "put the sandwich on a plate",
        ]
    if kind == 4:
        m = rng.choice(("pancake", "hamburger", "egg", "onion", "mushroom", "potato"))
        return f"fry {a(m)}", ["take the pan", "put the pan on the stove", "switch on the stove", f"put the {m} in the pan", "wait a little",
                               f"put the {m} on a plate"]  # fmt: skip
    if kind == 5:
        m = rng.choice(("bread", "cake", "apple pie", "pizza", "potato", "cookies"))
        return f"bake {a(m)}", [
            "heat the oven",
            "open the oven",
            f"put the {m} in the oven",
            "close the oven",
            "wait",
            f"take out the {m}",
        ]
    c = rng.choice(("clothes", "towel", "shirt", "cup", "plate", "glass", "socks"))
    return f"wash the {c}", [
        f"carry the {c} to the sink",
        "open the water",
        f"wash the {c} with soap",
        f"dry the {c}",
        f"put the {c} away",
    ]


def _activity(rng: random.Random) -> tuple[str, list[str]]:
    kind = rng.randrange(6)
    if kind == 0:
        t, room = _anything(rng), rng.choice(ROOMS)
        s = rng.choice(("shelf", "kitchen table", "coffee table", "desk", "bench", "chair", "floor", "bed"))
        return f"put the {t} on the {s}", [f"find the {t}", f"walk to the {t}", f"pick up the {t}", f"go to the {room}", f"walk to the {s}",
                                           f"put the {t} on the {s}"]  # fmt: skip
    if kind == 1:
        t, u = rng.choice(DRINKS), rng.choice(MEALS)
        return "have breakfast", [
            f"take the {t}",
            f"take the {u}",
            "go to the table",
            "sit down",
            f"eat the {u}",
            f"drink the {t}",
        ]
    if kind == 2:
        d, s = rng.choice(("TV", "lamp", "radio")), rng.choice(("sofa", "armchair", "chair", "bed"))
        return rng.choice(("rest a little", "have a nice evening", "relax")), ["go to the living room", f"walk to the {d}", f"switch on the {d}",
                                                                            f"walk to the {s}", f"sit down on the {s}"]  # fmt: skip
    if kind == 3:
        t = rng.choice(CLOTH)
        return f"tidy up the {t}", [
            f"take the {t}",
            "go to the bedroom",
            "open the wardrobe",
            f"put the {t} in the wardrobe",
            "close the wardrobe",
        ]
    if kind == 4:
        t = rng.choice(("letter", "keys", "book", "ball", "toys", "newspaper"))
        return f"find the {t}", [
            "go to the hall",
            "look around",
            "open the drawer",
            "close the drawer",
            f"pick up the {t}",
        ]
    return "go to sleep", [
        "switch off the TV",
        "stand up",
        "go to the bathroom",
        "wash your hands",
        "go to the bedroom",
        "lie down on the bed",
    ]


def _plan(rng: random.Random) -> tuple[str, list[str]]:
    return (_recipe_steps if rng.random() < 0.55 else _activity)(rng)


def _recipe(rng: random.Random) -> str:
    """Imperatives in order, with words of order."""
    goal, steps = _plan(rng)
    words = ["First", *[rng.choice(("Then", "Next", "After that", "Now")) for _ in steps[2:]], "At last"]
    body = " ".join(f"{w} {s}." for w, s in zip(words, steps, strict=True))
    return rng.choice((f"How to {goal}. {body}", f"To {goal}, do this. {body}", f"You want to {goal}? {body}"))


def _chain(rng: random.Random) -> str:
    goal, steps = _plan(rng)
    start = rng.randrange(len(steps) - 2)
    part = steps[start : start + rng.randint(2, 5)]
    return rng.choice((f"To {goal}, you have to {join(part)}.", f"It takes some steps to {goal}: {join(part)}.",
                       f"{cap(rng.choice(NAMES)[0])} has to {join(part)} to {goal}."))  # fmt: skip


def _before(rng: random.Random) -> str:
    out = []
    for _ in range(rng.randint(1, 3)):
        _, steps = _plan(rng)
        i = rng.randrange(len(steps) - 1)
        one, two = steps[i], steps[i + 1]
        out.append(rng.choice((f"Before you {two}, you {one}.", f"After you {one}, you {two}.", f"When you have to {two}, first {one}.",
                               f"You {one} and then you {two}.", f"First you {one}, then you {two}.")))  # fmt: skip
    return " ".join(out)


def _told(rng: random.Random, voice: Voice, step: str) -> str:
    return voice.verb(step.replace("your hands", f"{voice.possessive} hands"))


def _story(rng: random.Random) -> str:
    voice = some_voice(rng, you=0.15)
    goal, steps = _plan(rng)
    out = [f"{cap(voice.subject)} {voice.verb(rng.choice(('want', 'need', 'plan', 'have')))} to {goal}."]
    if rng.random() < 0.5:
        room = rng.choice(ROOMS)
        out.insert(
            rng.randrange(2), f"{cap(rng.choice((voice.subject, voice.pronoun)))} {voice.verb('be')} in the {room}."
        )
    for step in steps:
        lead = rng.choice(("", "", "Then ", "Now ", "Next ", "So ", "After that "))
        out.append(cap(f"{lead}{voice.pronoun} {_told(rng, voice, step)}."))
    if rng.random() < 0.4:
        out.append(
            rng.choice(
                (
                    "It was a good day.",
                    "That was easy.",
                    "All is done now.",
                    f"{cap(voice.pronoun)} {voice.verb('be')} happy.",
                )
            )
        )
    return " ".join(out)


def _scene(rng: random.Random) -> str:
    """Things that are seen, held or eaten, without a plan: exposure for nouns."""
    voice = some_voice(rng, you=0.3)
    out = []
    for _ in range(rng.randint(2, 4)):
        t, u, room = _anything(rng), _anything(rng), rng.choice(ROOMS)
        do = rng.choice((f"see the {t}", f"like the {t}", f"hold the {t}", f"look at the {t} and the {u}", f"buy {a(t)} and {a(u)}",
                         f"put the {t} next to the {u}", f"carry the {t} to the {room}", f"bring the {t} from the {room}", f"pick up the {t}",
                         f"clean the {rng.choice(PLACES['living room'] + PLACES['kitchen'])}", f"eat {a(rng.choice(MEALS))} with {a(rng.choice(DRINKS))}",
                         f"walk to the {rng.choice(PLACES[rng.choice(tuple(PLACES))])}"))  # fmt: skip
        out.append(f"{cap(voice.pronoun if out else voice.subject)} {voice.verb(do)}.")
    return " ".join(out)


ACTORS = ("farmer", "teacher", "child", "dog", "bird", "horse", "baker", "doctor", "boy", "driver", "neighbor", "grandmother", "student", "cat",
          "brother", "uncle", "painter", "woman", "duck", "friend")  # fmt: skip
DEEDS = ("works in the field", "runs along the river", "sings a song", "writes a letter", "paints the fence", "waters the plants", "feeds the cat",
         "sleeps under the tree", "plays with the ball", "drives to the city", "waits for the train", "buys bread at the market", "climbs the hill",
         "opens the window", "swims in the lake", "reads the newspaper", "mends the roof", "sweeps the floor", "rides a bicycle", "calls a friend",
         "looks for the blue shoes", "crosses the street", "counts the money", "visits the school", "carries wood to the fire", "cleans the window",
         "finds a stone on the beach", "listens to the wind", "draws a picture", "plants a rose", "catches a mouse", "knocks at the door",
         "brushes the carpet", "bakes bread early in the morning", "eats breakfast late", "walks through the forest")  # fmt: skip
WEATHER = ("It rains today.", "The sun shines on the garden.", "It is cold in winter.", "Snow lies on the roof.", "The sky is gray this morning.",
           "In summer the days are long.", "A strong wind blows.", "It is dark outside.", "Spring has come, and the flowers grow.",
           "The moon is bright tonight.", "In autumn the leaves fall.", "It was a quiet evening.")  # fmt: skip


def _world(rng: random.Random) -> str:
    """What goes on outside the house: other words, other sentences."""
    out = [f"The {rng.choice(ACTORS)} {rng.choice(DEEDS)}." for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.6:
        out.insert(rng.randrange(2), rng.choice(WEATHER))
    return " ".join(out)


def document(rng: random.Random) -> str:
    """One plain document."""
    make = rng.choices((_facts, _recipe, _chain, _before, _story, _scene, _world), weights=(20, 15, 13, 13, 18, 14, 9))[
        0
    ]
    return make(rng)
