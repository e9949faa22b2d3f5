"""How a household reads: prompts and action phrases, written from the view alone.

The four principles of the paper: the prompt is an unfinished sentence that the phrase completes; every noun
has its article; the goal, with the things it needs, comes first; and a phrase fits the moment ("put the milk
on the coffee table" is there only while the milk is held). Things of no use for the goal are worded like all
others.
"""

from collections.abc import Iterable

from twosome.envs.household.graph import ROOMS, Action, Scene, Thing
from twosome.envs.household.tasks import Task
from twosome.envs.household.view import View

ENDING = "Now you"


def phrase(scene: Scene, action: Action) -> str:
    """The default wording of an action, to be read after `ENDING`."""
    if action.verb == "go":
        return f"go to the {action.thing}"
    if action.verb == "stand":
        return "stand up"
    thing = scene.things[scene.index[action.thing]]
    if action.verb == "walk":
        return f"walk to {thing.text}"
    if action.verb == "put":
        holder = scene.things[scene.index[action.holder]]
        return f"put {thing.text} {_preposition(holder)} {holder.text}"
    if action.verb == "sit":
        return f"sit down on {thing.text}"
    return f"{action.verb} {thing.text}"


def action_name(scene: Scene, action: Action) -> str:
    """The terse name of an action, for tables and logs."""
    if action.verb == "put":
        holder = scene.things[scene.index[action.holder]]
        return f"put {action.thing} {_preposition(holder)} {action.holder}"
    verb = {"go": "walk", "sit": "sit on", "stand": "stand up"}.get(action.verb, action.verb)
    return f"{verb} {action.thing}".strip()


def prompt(task: Task, view: View) -> str:
    """What the character wants, where it is, what it sees and holds; and the start of what it does."""
    things = task.scene.things
    placed = {i for i, holder in enumerate(view.holders) if holder >= 0}
    free = [i for i in range(len(things)) if view.visible >> i & 1 and not view.held >> i & 1 and i not in placed]
    here = [] if view.sitting >= 0 else [i for i in free if view.close >> i & 1]
    here += [i for i in placed if view.close >> i & 1 and not view.close >> view.holders[i] & 1]
    afar = [i for i in free if i not in here and i != view.sitting]
    sentences = [
        f"You want to {task.wish}.",
        _whereabouts(view, [things[i] for i in here], [things[i] for i in afar], things),
        *_conditions(things, view),
        *_contents(things, view),
        _hands([thing for i, thing in enumerate(things) if view.held >> i & 1]),
    ]
    return " ".join([*sentences, ENDING])


def _whereabouts(view: View, here: list[Thing], afar: list[Thing], things: tuple[Thing, ...]) -> str:
    place = f"in the {ROOMS[view.room]}"
    if view.sitting >= 0:
        start = f"You sit on {things[view.sitting].text} {place}"
    elif here:
        start = f"You are {place} next to {_listed(here)}"
    else:
        start = f"You are {place}"
    return f"{start} and see {_listed(afar)}." if afar else f"{start}."


def _conditions(things: tuple[Thing, ...], view: View) -> Iterable[str]:
    for i, thing in enumerate(things):
        if not view.visible >> i & 1:
            continue
        if "container" in thing.affords:
            yield f"The {thing.name} {_be(thing)} {'open' if view.open >> i & 1 else 'closed'}."
        if "switch" in thing.affords:
            yield f"The {thing.name} {_be(thing)} {'on' if view.on >> i & 1 else 'off'}."


def _contents(things: tuple[Thing, ...], view: View) -> Iterable[str]:
    for holder_index, holder in enumerate(things):
        inside = [thing for i, thing in enumerate(things) if view.holders[i] == holder_index]
        if inside:
            are = "are" if len(inside) > 1 else _be(inside[0])
            listed = _listed(inside)
            yield f"{listed[0].upper()}{listed[1:]} {are} {_preposition(holder)} {holder.text}."


def _hands(held: list[Thing]) -> str:
    return f"You hold {_listed(held)}." if held else "Your hands are empty."


def _listed(things: list[Thing]) -> str:
    *rest, last = [thing.text for thing in things]
    return f"{', '.join(rest)} and {last}" if rest else last


def _be(thing: Thing) -> str:
    return "are" if thing.plural else "is"


def _preposition(holder: Thing) -> str:
    return "in" if "container" in holder.affords else "on"
