"""Documents that describe a moment of a plan and go on with its next step.

A plan is a list of `Moment`s, as somebody who carries it out would meet them. Three families of plans cover what hands
do in a house: put a thing into something with a door, cut food and fill a dish, make oneself comfortable.
A fourth carries things about. All use other things than the tasks do; `holdout.leaks` makes sure of it.
"""

import random
from dataclasses import dataclass, field

from hearth.corpus.grammar import Voice, a, cap, is_plural, join, some_voice


@dataclass(frozen=True)
class Moment:
    """One moment: what is so, and what is done next.

    Args:
        step: what is done, as an infinitive.
        room: where, or "" to leave it out.
        near: what one stands next to.
        far: what else is in sight.
        hands: what is held.
        facts: (thing, what it is) such as ("the oven", "closed").
        seat: what one sits on, or "".
        at: the working place one stands at, or "".
    """

    step: str
    room: str = ""
    near: tuple[str, ...] = ()
    far: tuple[str, ...] = ()
    hands: tuple[str, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    seat: str = ""
    at: str = ""


@dataclass
class Plan:
    """What is wanted, and the moments on the way."""

    goal: str
    moments: list[Moment] = field(default_factory=list)


STORE = {
    "oven": (("bread", "cake", "potato", "cookies", "fish"), "kitchen", ("bake", "warm up")),
    "microwave": (("soup", "rice", "tea", "potato", "beans"), "kitchen", ("warm up", "heat")),
    "fridge": (
        ("butter", "juice", "melon", "cake", "milk", "lettuce", "cheese", "eggs"),
        "kitchen",
        ("cool down", "store"),
    ),
    "dishwasher": (("cup", "glass", "spoon", "pan"), "kitchen", ("wash", "clean")),
    "washing machine": (("towel", "shirt", "socks", "blanket"), "bathroom", ("wash", "clean")),
    "wardrobe": (("jacket", "shirt", "clothes", "blanket"), "bedroom", ("put away", "store")),
    "cupboard": (("cup", "glass", "rice", "pan", "plate", "honey", "chips"), "kitchen", ("put away", "store")),
    "drawer": (("letter", "keys", "fork", "spoon"), "living room", ("put away", "hide")),
    "box": (("ball", "toys", "book", "lamp"), "bedroom", ("put away", "pack")),
}
STORE_WEIGHTS = (3, 2, 3, 2, 2, 2, 2, 1, 1)
ROOMS = ("kitchen", "living room", "bathroom", "bedroom")
GRAB, WALK = ("grab", "grab", "pick up", "take"), ("walk to", "walk to", "go to")


def _the(things: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(f"the {t}" for t in things)


def store_plan(rng: random.Random) -> Plan:
    """Put a thing into something with a door, and close the door."""
    box = rng.choices(list(STORE), weights=STORE_WEIGHTS)[0]
    things, home, verbs = STORE[box]
    return make_store_plan(rng, rng.choice(things), box, home, rng.choice(verbs))


def make_store_plan(rng: random.Random, thing: str, box: str, home: str, verb: str) -> Plan:
    """The plan of `store_plan` for chosen things; the door is opened before or after the thing is fetched."""
    x, b = f"the {thing}", f"the {box}"
    walk, grab = rng.choice(WALK), rng.choice(GRAB)
    start = rng.choice([r for r in ROOMS if r != home])
    shut, wide, inside = ((b, "closed"),), ((b, "open"),), ((b, "open"), (x, f"in {b}"))
    plan = Plan(rng.choice((f"{verb} {x} in {b}",) * 3 + (f"put {x} in {b}",)))
    add = plan.moments.append
    add(Moment(f"go to the {home}", start))
    if rng.random() < 0.35:
        add(Moment(f"{walk} {b}", home, far=(x, b), facts=shut))
        add(Moment(f"open {b}", home, (b,), (x,), facts=shut))
        add(Moment(f"{walk} {x}", home, (b,), (x,), facts=wide))
        state = wide
    else:
        add(Moment(f"{walk} {x}", home, far=rng.choice(((x, b), (b, x))), facts=shut))
        state = shut
    add(Moment(f"{grab} {x}", home, (x,), (b,), facts=state))
    add(Moment(f"{walk} {b}", home, far=(b,), hands=(x,), facts=state))
    if state == shut:
        add(Moment(f"open {b}", home, (b,), hands=(x,), facts=shut))
    add(Moment(f"put {x} in {b}", home, (b,), hands=(x,), facts=wide))
    add(Moment(f"{rng.choice(('close', 'close', 'close', 'shut'))} {b}", home, (b,), facts=inside))
    return plan


CUT = ("carrot", "cucumber", "potato", "pepper", "cabbage", "mushroom", "beet", "apple", "pear", "banana", "melon")
DISHES = {"salad": "bowl", "soup": "pot", "stew": "pot", "cake": "pan", "snack": "plate"}
BOARDS = (
    "cutting board",
    "cutting board",
    "first cutting board",
    "second cutting board",
    "wooden board",
    "first board",
    "second board",
)


def cut_plan(rng: random.Random) -> Plan:
    """Chop one or two foods, fill a dish with them, serve it."""
    dish = rng.choices(list(DISHES), weights=(3, 3, 2, 1, 2))[0]
    return make_cut_plan(rng, rng.sample(CUT, rng.choice((1, 1, 2))), dish, DISHES[dish], rng.choice(BOARDS))


def make_cut_plan(rng: random.Random, foods: list[str], dish: str, vessel: str, board: str) -> Plan:
    """The plan of `cut_plan` for chosen things."""
    name = f"{' and '.join(foods)} {dish}"
    cut, cutted = rng.choice((("chop", "chopped"), ("chop", "chopped"), ("slice", "sliced"), ("cut", "cut")))
    pick, take = rng.choice(("pick up", "pick up", "take", "grab")), rng.choice(("take", "take", "pick up"))
    carry = rng.choice(("carry", "carry", "bring"))
    serve = rng.choice(("serve", "serve", "bring"))
    plan = Plan(f"{rng.choice(('serve', 'serve', 'make', 'cook'))} {a(name)}")
    add = plan.moments.append
    done: list[str] = []
    for i, food in enumerate(foods):
        raw = tuple(f"a raw {f}" for f in foods[i:])
        filled = _filled(vessel, cutted, done)
        add(Moment(f"{pick} the {food}", far=rng.choice(((*raw, filled), raw))))
        add(
            Moment(
                f"{carry} the {food} to the {board}",
                far=rng.choice(((), (*raw[1:],), (filled,))),
                hands=(f"the raw {food}",),
            )
        )
        add(Moment(f"{cut} the {food}", far=(f"a raw {food} on the {board}",), at=f"the {board}"))
        add(Moment(f"{pick} the {cutted} {food}", far=(f"a {cutted} {food} on the {board}",), at=f"the {board}"))
        add(
            Moment(
                f"put the {cutted} {food} in the {vessel}",
                far=rng.choice(((filled,), ())),
                hands=(f"the {cutted} {food}",),
            )
        )
        done.append(food)
    full = join([f"the {cutted} {f}" for f in foods])
    if rng.random() < 0.5:
        add(Moment(f"{take} the {vessel}", far=(f"a {vessel} with {full}",)))
    add(
        Moment(
            f"{serve} the {name}" + (" to the table" if serve == "bring" else ""), hands=(f"the {vessel} with {full}",)
        )
    )
    return plan


def _filled(vessel: str, cutted: str, done: list[str]) -> str:
    return f"a {vessel} with " + join([f"the {cutted} {f}" for f in done]) if done else f"an empty {vessel}"


COMFORT = {
    "watch TV": "TV", "watch a film": "TV", "watch the news": "TV", "listen to music": "radio", "listen to the radio": "radio",
    "read a book": "lamp", "have a warm evening": "heater", "cool down": "fan", "play a game": "computer",
}  # fmt: skip
SEATS = ("sofa", "armchair", "chair", "bed", "bench", "stool")
SNACKS = ("tea", "juice", "cookies", "cake", "apple", "book", "sandwich", "popcorn", "nuts", "coffee", "newspaper")
TABLES = ("coffee table", "coffee table", "small table", "desk", "shelf")


def comfort_plan(rng: random.Random) -> Plan:
    """Fetch something nice, switch something on, sit down."""
    wish, device = rng.choice(list(COMFORT.items()))
    snacks = rng.sample(SNACKS, rng.choice((1, 2, 2)))
    room = "bedroom" if rng.random() < 0.35 else "living room"
    return make_comfort_plan(rng, wish, device, rng.choice(SEATS), snacks, rng.choice(TABLES), room)


def make_comfort_plan(
    rng: random.Random, wish: str, device: str, seat: str, snacks: list[str], table: str, room: str
) -> Plan:
    """The plan of `comfort_plan` for chosen things."""
    d, s, t, things = f"the {device}", f"the {seat}", f"the {table}", _the(snacks)
    walk, grab = rng.choice(WALK), rng.choice(GRAB)
    goals = (
        f"sit on {s} and {wish} with {join(things)}",
        f"{wish} on {s} with {join(things)}",
        f"{wish} with {join(things)}",
    )
    plan = Plan(rng.choice(goals))
    add = plan.moments.append
    if rng.random() < 0.3:
        add(Moment("go to the kitchen", rng.choice(("bathroom", room)), far=()))
    held: tuple[str, ...] = ()
    for i, x in enumerate(things):
        add(Moment(f"{walk} {x}", "kitchen", far=things[i:], hands=held))
        add(Moment(f"{grab} {x}", "kitchen", (x,), things[i + 1 :], hands=held))
        held = (*held, x)
    add(Moment(f"go to the {room}", "kitchen", hands=held))
    off, on, all_far = ((d, "off"),), ((d, "on"),), [d, s, t]
    rng.shuffle(all_far)
    add(Moment(f"{walk} {t}", room, far=tuple(all_far), hands=held, facts=off))
    placed = things if rng.random() < 0.5 else things[:1]
    for x in placed:
        laid = tuple((y, f"on {t}") for y in things if y not in held)
        add(Moment(f"put {x} on {t}", room, (t,), (d, s), hands=held, facts=(*off, *laid)))
        held = tuple(y for y in held if y != x)
    laid = tuple((y, f"on {t}") for y in placed)
    switch = rng.choice(("switch on", "switch on", "turn on"))
    add(Moment(f"{walk} {d}", room, rng.choice(((t,), (t, *placed))), (d, s), hands=held, facts=(*off, *laid)))
    add(Moment(f"{switch} {d}", room, (d,), (s, t), hands=held, facts=(*off, *laid)))
    add(Moment(f"{walk} {s}", room, (d,), (s, t), hands=held, facts=(*on, *laid)))
    add(Moment(f"sit {rng.choice(('down ', 'down ', ''))}on {s}", room, (s,), (d, t), hands=held, facts=(*on, *laid)))
    if rng.random() < 0.15:
        add(Moment("stand up", room, far=(d, t), facts=off, seat=s))
    return plan


CARRIED = ("book", "pillow", "lamp", "basket", "plate", "pizza", "hamburger", "pancake", "apple pie", "cheese", "clothes", "towel", "tomato", "lettuce", "onion", "cup", "flowers", "newspaper", "bread", "radio", "bowl", "keys")  # fmt: skip
SURFACES = {"kitchen": ("kitchen table", "counter"), "living room": ("coffee table", "shelf", "armchair", "bookshelf"),
            "bedroom": ("bed", "desk", "chair"), "bathroom": ("washing basket", "stool")}  # fmt: skip


def carry_plan(rng: random.Random) -> Plan:
    """Bring a thing from one room to a place in another."""
    thing, (home, room) = rng.choice(CARRIED), rng.sample(ROOMS, 2)
    place = rng.choice(SURFACES[room])
    x, p = f"the {thing}", f"the {place}"
    walk, grab = rng.choice(WALK), rng.choice(GRAB)
    plan = Plan(rng.choice((f"put {x} on {p}", f"bring {x} to the {room}", f"carry {x} to {p}")))
    add = plan.moments.append
    other = rng.choice([r for r in ROOMS if r != home])
    add(Moment(f"go to the {home}", other))
    add(Moment(f"{walk} {x}", home, far=(x,)))
    add(Moment(f"{grab} {x}", home, (x,)))
    add(Moment(f"go to the {room}", home, hands=(x,)))
    add(Moment(f"{walk} {p}", room, far=(p,), hands=(x,)))
    add(Moment(f"put {x} on {p}", room, (p,), hands=(x,)))
    return plan


def render_state(rng: random.Random, voice: Voice, moment: Moment) -> list[str]:
    """The sentences that describe a moment, in the order place, things, hands."""
    s, out = cap(voice.pronoun), []
    be, see = voice.verb("be"), voice.verb("see")
    far, near = join(moment.far) if moment.far else "", join(moment.near) if moment.near else ""
    if moment.seat:
        out.append(
            f"{s} {voice.verb('sit')} on {moment.seat} in the {moment.room}" + (f" and {see} {far}." if far else ".")
        )
    elif moment.room:
        where = f"{be} in the {moment.room}"
        beside = f" next to {near}" if near else ""
        sight = f" and {see} {far}" if far else ""
        separate = f" {s} {voice.verb('stand')} next to {near}." if near else ""
        separate += f" {s} {see} {far}." if far else ""
        out.append(rng.choice((f"{s} {where}{beside}{sight}.",) * 3 + (f"{s} {where}.{separate}", f"In the {moment.room} {voice.pronoun} {be}{beside}{sight}."
                                                                     if near else f"{s} {where}{sight}.")))  # fmt: skip
    else:
        if moment.at:
            out.append(f"{s} {voice.verb('stand')} at {moment.at}.")
        if far:
            alone = len(moment.far) == 1
            out.append(
                rng.choice(
                    (
                        f"{s} {see} {far}.",
                        f"{s} {see} {far}.",
                        f"{cap(far)} {voice.be(not alone)} in sight.",
                        f"There {voice.be(not alone)} {far}.",
                    )
                )
            )
    out += [f"{cap(thing)} {voice.be(is_plural(thing))} {state}." for thing, state in moment.facts]
    return [*out, _hands(rng, voice, moment)]


def _hands(rng: random.Random, voice: Voice, moment: Moment) -> str:
    s, his = cap(voice.pronoun), voice.possessive
    if not moment.hands:
        return rng.choice(
            (f"{cap(his)} hands {voice.be(True)} empty.",) * 3
            + (f"{s} {voice.verb('hold')} nothing.", f"{cap(his)} hands {voice.be(True)} free.")
        )
    held = join(moment.hands)
    return rng.choice(
        (f"{s} {voice.verb('hold')} {held}.",) * 3
        + (
            f"{s} {voice.verb('have')} {held} in {his} hands.",
            f"In {his} hands {voice.be(len(moment.hands) > 1)} {held}.",
        )
    )


def render_goal(rng: random.Random, voice: Voice, goal: str) -> str:
    """The sentence that says what is wanted."""
    want = rng.choices(
        (f"want to {goal}", f"have to {goal}", f"need to {goal}", f"plan to {goal}"), weights=(5, 1, 1, 1)
    )[0]
    return f"{cap(voice.subject)} {voice.verb(want)}."


def lead(rng: random.Random) -> str:
    """The words before the next step."""
    return rng.choices(("Now", "So", "Next", "Then", "So now"), weights=(5, 1, 1, 1, 1))[0]


FAMILIES = {"store": store_plan, "cut": cut_plan, "comfort": comfort_plan, "carry": carry_plan}
WEIGHTS = (30, 24, 30, 16)


def document(rng: random.Random, wander: float) -> str:
    """One moment and its next step, or a few in a row.

    Nobody always does the sensible thing: with probability ``wander`` some other step is taken, and the text ends
    there. It is the dial for how sure the finished model is of what it knows.
    """
    make = rng.choices(list(FAMILIES.values()), weights=WEIGHTS)[0]
    plan, voice = make(rng), some_voice(rng, you=0.6)
    first = rng.randrange(len(plan.moments))
    count = rng.choice((1, 1, 1, 2, 3))
    out = [render_goal(rng, voice, plan.goal)]
    for moment in plan.moments[first : first + count]:
        out += render_state(rng, voice, moment)
        astray = rng.random() < wander
        step = rng.choice((plan if rng.random() < 0.7 else make(rng)).moments).step if astray else moment.step
        out.append(f"{lead(rng)} {voice.pronoun} {voice.verb(step)}.")
        if astray:
            return " ".join(out)
    if rng.random() < 0.3:
        after = plan.moments[first + count : first + count + 2]
        out += [f"{rng.choice(('Then', 'After that', 'Next'))} {voice.pronoun} {voice.verb(m.step)}." for m in after]
    return " ".join(out)
