"""Documents that describe a moment of a plan and go on with its next step."""

import random

from hearth.corpus.grammar import Voice, cap, is_plural, join, some_voice
from hearth.corpus.plans import FAMILIES, STRAYING, Moment


def render_state(rng: random.Random, voice: Voice, moment: Moment) -> list[str]:
    """The sentences that describe a moment, in the order place, things, hands."""
    facts = [f"{cap(thing)} {voice.be(is_plural(thing))} {state}." for thing, state in moment.facts]
    place = _room(rng, voice, moment) if moment.room else _table(rng, voice, moment)
    return [*place, *facts, _hands(rng, voice, moment)]


def _room(rng: random.Random, voice: Voice, moment: Moment) -> list[str]:
    s, be, see = cap(voice.pronoun), voice.verb("be"), voice.verb("see")
    beside = f" next to {join(moment.near)}" if moment.near else ""
    sight = f" and {see} {join(moment.far)}" if moment.far else ""
    if moment.seat:
        return [f"{s} {voice.verb('sit')} on {moment.seat} in the {moment.room}{sight}."]
    apart = [f"{s} {be} in the {moment.room}."]
    apart += [f"{s} {voice.verb('stand')}{beside}."] if beside else []
    apart += [f"{s} {see} {join(moment.far)}."] if moment.far else []
    together = [f"{s} {be} in the {moment.room}{beside}{sight}."]
    turned = [f"In the {moment.room} {voice.pronoun} {be}{beside}{sight}."] if beside else together
    return rng.choice((together, together, together, apart, turned))


def _table(rng: random.Random, voice: Voice, moment: Moment) -> list[str]:
    s = cap(voice.pronoun)
    out = [f"{s} {voice.verb('stand')} at {moment.at}."] if moment.at else []
    if moment.far:
        seen, be = join(moment.far), voice.be(len(moment.far) > 1)
        see = f"{s} {voice.verb('see')} {seen}."
        out.append(rng.choice((see, see, f"{cap(seen)} {be} in sight.", f"There {be} {seen}.")))
    return out


def _hands(rng: random.Random, voice: Voice, moment: Moment) -> str:
    s, own, hold = cap(voice.pronoun), voice.possessive, voice.verb("hold")
    if not moment.hands:
        empty = f"{cap(own)} hands {voice.be(True)} empty."
        return rng.choice((empty, empty, empty, f"{s} {hold} nothing.", f"{cap(own)} hands {voice.be(True)} free."))
    held = join(moment.hands)
    plain, are = f"{s} {hold} {held}.", voice.be(len(moment.hands) > 1 or is_plural(held))
    ways = (plain, plain, plain, f"{s} {voice.verb('have')} {held} in {own} hands.", f"In {own} hands {are} {held}.")
    return rng.choice(ways)


def render_goal(rng: random.Random, voice: Voice, goal: str) -> str:
    """The sentence that says what is wanted."""
    want = rng.choices(("want", "have", "need", "plan"), weights=(5, 1, 1, 1))[0]
    return f"{cap(voice.subject)} {voice.verb(want)} to {goal}."


def lead(rng: random.Random) -> str:
    """The words before the next step."""
    return rng.choices(("Now", "So", "Next", "Then", "So now"), weights=(5, 1, 1, 1, 1))[0]


def document(rng: random.Random, wander: float) -> str:
    """One moment and its next step, or a few in a row.

    Nobody always does the sensible thing: with probability ``wander`` (times `STRAYING`) some other step is taken, and
    the text ends there. It is the dial for how sure the finished model is of what it knows.
    """
    make = rng.choices(list(FAMILIES), weights=list(FAMILIES.values()))[0]
    plan, voice = make(rng), some_voice(rng, you=0.6)
    first, count = rng.randrange(len(plan.moments)), rng.choice((1, 1, 1, 2, 3))
    out = [render_goal(rng, voice, plan.goal)]
    for moment in plan.moments[first : first + count]:
        out += render_state(rng, voice, moment)
        astray = rng.random() < wander * STRAYING[make]
        step = rng.choice((plan if rng.random() < 0.7 else make(rng)).moments).step if astray else moment.step
        out.append(f"{lead(rng)} {voice.pronoun} {voice.verb(step)}.")
        if astray:
            return " ".join(out)
    if rng.random() < 0.3:
        after = plan.moments[first + count : first + count + 2]
        out += [f"{rng.choice(('Then', 'After that', 'Next'))} {voice.pronoun} {voice.verb(m.step)}." for m in after]
    return " ".join(out)
