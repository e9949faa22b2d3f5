"""Plans: what somebody wants in a house, and the moments on the way there.

Three families cover what hands do: put a thing into something with a door, cut food and fill a dish, make oneself
comfortable. A fourth carries things about. All use other things than the tasks do; `holdout.leaks` makes sure of it.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from hearth.corpus.grammar import a, join
from hearth.corpus.words import words

Things = tuple[str, ...]


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
    near: Things = ()
    far: Things = ()
    hands: Things = ()
    facts: tuple[tuple[str, str], ...] = ()
    seat: str = ""
    at: str = ""


@dataclass
class Plan:
    """What is wanted, and the moments on the way."""

    goal: str
    moments: list[Moment] = field(default_factory=list)


STORE = {
    "oven": (words("bread, cake, potato, cookies, fish"), "kitchen", words("bake, warm up")),
    "microwave": (words("soup, rice, tea, potato, beans"), "kitchen", words("warm up, heat")),
    "fridge": (words("butter, juice, melon, milk, lettuce, cheese, eggs"), "kitchen", words("cool down, store")),
    "dishwasher": (words("cup, glass, fork, pan"), "kitchen", words("wash, clean")),
    "washing machine": (words("towel, shirt, socks, blanket"), "bathroom", words("wash, clean")),
    "wardrobe": (words("jacket, shirt, clothes, blanket"), "bedroom", words("put away, store")),
    "cupboard": (words("glass, rice, pan, plate, honey, chips"), "kitchen", words("put away, store")),
    "drawer": (words("letter, keys, fork, spoon"), "living room", words("put away, hide")),
    "box": (words("ball, toys, book, lamp"), "bedroom", words("put away, pack")),
}
"""What has a door: to the things that go in, the room, and why."""
STORE_WEIGHTS = (3, 2, 3, 2, 2, 2, 2, 1, 1)
OPEN_FIRST = 0.35
ROOMS = words("kitchen, living room, bathroom, bedroom")
GRAB, WALK = words("grab, grab, pick up, take"), words("walk to, walk to, go to")


def store_plan(rng: random.Random) -> Plan:
    """Put a thing into something with a door, and close the door."""
    box = rng.choices(list(STORE), weights=STORE_WEIGHTS)[0]
    things, home, verbs = STORE[box]
    return make_store_plan(rng, rng.choice(things), box, home, rng.choice(verbs))


def make_store_plan(rng: random.Random, thing: str, box: str, home: str, verb: str) -> Plan:
    """The plan of `store_plan` for chosen things; the door is opened before or after the thing is fetched."""
    x, b = f"the {thing}", f"the {box}"
    walk, grab, close = rng.choice(WALK), rng.choice(GRAB), rng.choice(words("close, close, close, shut"))
    shut, wide, inside = ((b, "closed"),), ((b, "open"),), ((b, "open"), (x, f"in {b}"))
    plan = Plan(f"{rng.choice((verb, verb, verb, 'put'))} {x} in {b}")
    add = plan.moments.append
    add(Moment(f"go to the {home}", rng.choice([r for r in ROOMS if r != home])))
    door = shut
    if rng.random() < OPEN_FIRST:
        door = wide
        add(Moment(f"{walk} {b}", home, far=(x, b), facts=shut))
        add(Moment(f"open {b}", home, (b,), (x,), facts=shut))
        add(Moment(f"{walk} {x}", home, (b,), (x,), facts=wide))
    else:
        add(Moment(f"{walk} {x}", home, far=rng.choice(((x, b), (b, x))), facts=shut))
    add(Moment(f"{grab} {x}", home, (x,), (b,), facts=door))
    add(Moment(f"{walk} {b}", home, far=(b,), hands=(x,), facts=door))
    if door == shut:
        add(Moment(f"open {b}", home, (b,), hands=(x,), facts=shut))
    add(Moment(f"put {x} in {b}", home, (b,), hands=(x,), facts=wide))
    add(Moment(f"{close} {b}", home, (b,), facts=inside))
    return plan


CUT = words("carrot, cucumber, potato, pepper, cabbage, mushroom, beet, apple, pear, banana, melon")
DISHES = {"salad": "bowl", "soup": "pot", "stew": "pot", "cake": "pan", "snack": "plate"}
BOARDS = words(
    "cutting board, cutting board, first cutting board, second cutting board, wooden board, first board, second board"
)
CUTS = (("chop", "chopped"), ("chop", "chopped"), ("slice", "sliced"), ("cut", "cut"))


def cut_plan(rng: random.Random) -> Plan:
    """Chop one or two foods, fill a dish with them, serve it."""
    dish = rng.choices(list(DISHES), weights=(3, 3, 2, 1, 2))[0]
    return make_cut_plan(rng, rng.sample(CUT, rng.choice((1, 1, 2))), dish, DISHES[dish], rng.choice(BOARDS))


def make_cut_plan(rng: random.Random, foods: Sequence[str], dish: str, vessel: str, board: str) -> Plan:
    """The plan of `cut_plan` for chosen things."""
    (cut, cutted), carry = rng.choice(CUTS), rng.choice(words("carry, carry, bring"))
    pick, take = rng.choice(words("pick up, pick up, take, grab")), rng.choice(words("take, take, pick up"))
    serve, name = rng.choice(words("serve, serve, bring")), f"{' and '.join(foods)} {dish}"
    plan = Plan(f"{rng.choice(words('serve, serve, make, cook'))} {a(name)}")
    add = plan.moments.append
    done: Things = ()
    for i, food in enumerate(foods):
        raw = tuple(f"a raw {f}" for f in foods[i:])
        whole, part = f"the raw {food}", f"the {cutted} {food}"
        so_far = f"a {vessel} with {join(done)}" if done else f"an empty {vessel}"
        add(Moment(f"{pick} the {food}", far=rng.choice(((*raw, so_far), raw))))
        add(Moment(f"{carry} the {food} to the {board}", far=rng.choice(((), raw[1:], (so_far,))), hands=(whole,)))
        add(Moment(f"{cut} the {food}", far=(f"a raw {food} on the {board}",), at=f"the {board}"))
        add(Moment(f"{pick} {part}", far=(f"a {cutted} {food} on the {board}",), at=f"the {board}"))
        add(Moment(f"put {part} in the {vessel}", far=rng.choice(((so_far,), ())), hands=(part,)))
        done = (*done, part)
    if rng.random() < 0.5:
        add(Moment(f"{take} the {vessel}", far=(f"a {vessel} with {join(done)}",)))
    where = " to the table" if serve == "bring" else ""
    add(Moment(f"{serve} the {name}{where}", hands=(f"the {vessel} with {join(done)}",)))
    return plan


COMFORT = {
    "watch TV": "TV",
    "watch a film": "TV",
    "watch the news": "TV",
    "listen to music": "radio",
    "listen to the radio": "radio",
    "read a book": "lamp",
    "have a warm evening": "heater",
    "cool down": "fan",
    "play a game": "computer",
}
SEATS = words("sofa, armchair, chair, bed, bench, stool")
SNACKS = words("tea, juice, cookies, cake, apple, book, sandwich, popcorn, nuts, coffee, newspaper")
TABLES = words("coffee table, coffee table, small table, desk, shelf")


def comfort_plan(rng: random.Random) -> Plan:
    """Fetch something nice, switch something on, sit down."""
    wish, device = rng.choice(list(COMFORT.items()))
    snacks = rng.sample(SNACKS, rng.choice((1, 2, 2)))
    room = "bedroom" if rng.random() < 0.35 else "living room"
    furniture = (device, rng.choice(SEATS), rng.choice(TABLES))
    return make_comfort_plan(rng, wish, furniture, snacks, room)


def make_comfort_plan(
    rng: random.Random, wish: str, furniture: tuple[str, str, str], snacks: Sequence[str], room: str
) -> Plan:
    """The plan of `comfort_plan` for chosen things; ``furniture`` is what is switched on, the seat, the table."""
    d, s, t = (f"the {thing}" for thing in furniture)
    things = tuple(f"the {thing}" for thing in snacks)
    walk, grab, on = rng.choice(WALK), rng.choice(GRAB), rng.choice(words("switch on, switch on, turn on"))
    sit, all_of_it = rng.choice(words("sit down on, sit down on, sit on")), join(things)
    goals = (f"sit on {s} and {wish}", f"{wish} on {s}", wish)
    plan = Plan(f"{rng.choice(goals)} with {all_of_it}")
    add = plan.moments.append
    if rng.random() < 0.3:
        add(Moment("go to the kitchen", rng.choice(("bathroom", room))))
    held: Things = ()
    for i, x in enumerate(things):
        add(Moment(f"{walk} {x}", "kitchen", far=things[i:], hands=held))
        add(Moment(f"{grab} {x}", "kitchen", (x,), things[i + 1 :], hands=held))
        held = (*held, x)
    add(Moment(f"go to the {room}", "kitchen", hands=held))
    facts: tuple[tuple[str, str], ...] = ((d, "off"),)
    add(Moment(f"{walk} {t}", room, far=tuple(rng.sample((d, s, t), 3)), hands=held, facts=facts))
    placed = things if rng.random() < 0.5 else things[:1]
    for x in placed:
        add(Moment(f"put {x} on {t}", room, (t,), (d, s), hands=held, facts=facts))
        held, facts = tuple(y for y in held if y != x), (*facts, (x, f"on {t}"))
    add(Moment(f"{walk} {d}", room, rng.choice(((t,), (t, *placed))), (d, s), hands=held, facts=facts))
    add(Moment(f"{on} {d}", room, (d,), (s, t), hands=held, facts=facts))
    facts = ((d, "on"), *facts[1:])
    add(Moment(f"{walk} {s}", room, (d,), (s, t), hands=held, facts=facts))
    add(Moment(f"{sit} {s}", room, (s,), (d, t), hands=held, facts=facts))
    if rng.random() < 0.15:
        add(Moment("stand up", room, far=(d, t), facts=((d, "off"),), seat=s))
    return plan


CARRIED = words(
    "book, pillow, lamp, basket, plate, pizza, hamburger, pancake, apple pie, cheese, clothes, towel, tomato, "
    "lettuce, onion, cup, flowers, newspaper, bread, radio, bowl, keys"
)
SURFACES = {
    "kitchen": words("kitchen table, counter"),
    "living room": words("coffee table, shelf, armchair, bookshelf"),
    "bedroom": words("bed, desk, chair"),
    "bathroom": words("washing basket, stool"),
}


def carry_plan(rng: random.Random) -> Plan:
    """Bring a thing from one room to a place in another."""
    thing, (home, room) = rng.choice(CARRIED), rng.sample(ROOMS, 2)
    x, p = f"the {thing}", f"the {rng.choice(SURFACES[room])}"
    walk, grab = rng.choice(WALK), rng.choice(GRAB)
    plan = Plan(rng.choice((f"lay {x} on {p}", f"bring {x} to the {room}", f"carry {x} to {p}")))
    plan.moments += [
        Moment(f"go to the {home}", rng.choice([r for r in ROOMS if r != home])),
        Moment(f"{walk} {x}", home, far=(x,)),
        Moment(f"{grab} {x}", home, (x,)),
        Moment(f"go to the {room}", home, hands=(x,)),
        Moment(f"{walk} {p}", room, far=(p,), hands=(x,)),
        Moment(f"put {x} on {p}", room, (p,), hands=(x,)),
    ]
    return plan


FAMILIES = {store_plan: 30, cut_plan: 24, comfort_plan: 30, carry_plan: 16}
"""The families of plans, and how often each is made."""
STRAYING = {store_plan: 0.8, cut_plan: 3.0, comfort_plan: 1.2, carry_plan: 1.0}
"""How much more often than elsewhere people stray; levels what the untrained model can do in the four tasks."""
