"""What the character perceives of a state, and what follows: the symbolic observation, and which actions make sense.

`perceive` turns a state into a `View`, which is all that the prompt, the mask and the symbolic observation may depend
on. `possible` says whether an action would be carried out, `sensible` whether it is worth offering.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twosome.envs.household.graph import AT_HOME, HANDS, IN_HAND, ROOMS, Action, Scene, State
from twosome.envs.household.tasks import Task


class View(NamedTuple):
    """What the character perceives: what is in sight, and what it feels of its own body. Sets are bits."""

    room: int
    visible: int
    close: int
    """What is in sight and close."""
    held: int
    holders: tuple[int, ...]
    """For each thing: the index of the container or surface in sight that it is seen in; else -1."""
    open: int
    on: int
    sat: int
    facing: int
    sitting: int
    """Index of the seat, or -1. Felt rather than seen: the reference's observation does not tell."""

    @property
    def has_free_hand(self) -> bool:
        """Whether another thing can be grabbed, opened or switched."""
        return self.held.bit_count() < HANDS

    def can_reach(self, i: int) -> bool:
        """Whether thing `i` is close, or what it holds or is held by is."""
        if self.close >> i & 1:
            return True
        holder = self.holders[i]
        if holder >= 0 and self.close >> holder & 1:
            return True
        return any(h == i and self.close >> j & 1 for j, h in enumerate(self.holders))


def is_visible(scene: Scene, state: State, i: int) -> bool:
    """Whether thing `i` is in hand, or in the room and not behind a closed door."""
    place = state.places[i]
    if place == IN_HAND:
        return True
    if place == AT_HOME:
        return scene.rooms[i] == state.room
    shut = scene.containers >> place & 1 and not state.open >> place & 1
    return scene.rooms[place] == state.room and not shut


def perceive(scene: Scene, state: State) -> View:
    """The view of a state; two states with one view cannot be told apart by the character."""
    visible = sum(1 << i for i in range(len(scene.things)) if is_visible(scene, state, i))
    return View(
        room=state.room,
        visible=visible,
        close=state.near & visible,
        held=sum(1 << i for i, place in enumerate(state.places) if place == IN_HAND),
        holders=tuple(
            place if place >= 0 and visible >> i & 1 and visible >> place & 1 else -1
            for i, place in enumerate(state.places)
        ),
        open=state.open & visible,
        on=state.on & visible,
        sat=state.sat & visible,
        facing=state.facing & visible,
        sitting=state.sitting,
    )


def vector(task: Task, view: View) -> NDArray[np.float32]:
    """The symbolic observation: 0 or 1 for each of the task's features."""
    index = task.scene.index
    sets = {
        "see": view.visible,
        "close": view.close,
        "hold": view.held,
        "open": view.open,
        "on": view.on,
        "sat": view.sat,
        "facing": view.facing,
        "sitting": 1 << view.sitting if view.sitting >= 0 else 0,
    }
    entries = []
    for kind, thing, holder in task.features:
        if kind == "room":
            entries.append(ROOMS[view.room] == thing)
        elif kind == "in":
            entries.append(view.holders[index[thing]] == index[holder])
        else:
            entries.append(bool(sets[kind] >> index[thing] & 1))
    return np.array(entries, dtype=np.float32)


def possible(scene: Scene, view: View, action: Action) -> bool:
    """Whether `action` would be carried out; otherwise it changes nothing and still costs its step."""
    if action.verb == "go":
        return view.sitting < 0
    if action.verb == "stand":
        return view.sitting >= 0
    i = scene.index[action.thing]
    if not view.visible >> i & 1:
        return False
    if action.verb == "walk":
        return view.sitting < 0
    if action.verb == "grab":
        return not view.held >> i & 1 and view.has_free_hand and view.can_reach(i)
    if action.verb == "put":
        holder = scene.index[action.holder]
        is_shut = bool(scene.containers >> holder & 1) and not view.open >> holder & 1
        in_sight = bool(view.visible >> holder & 1)
        return bool(view.held >> i & 1) and in_sight and not is_shut and view.can_reach(holder)
    if action.verb == "open":
        is_locked = bool((view.open | view.on) >> i & 1)  # what runs cannot be opened
        return not is_locked and view.has_free_hand and view.can_reach(i)
    if action.verb == "close":
        return bool(view.open >> i & 1) and view.can_reach(i)
    is_close = bool(view.close >> i & 1)
    if action.verb == "sit":
        return is_close and view.sitting < 0
    is_on = bool(view.on >> i & 1)
    return is_close and is_on == (action.verb == "switch off") and view.has_free_hand


def sensible(scene: Scene, view: View, action: Action) -> bool:
    """Whether `action` is valid: it can be carried out and leads somewhere.

    Beyond `possible` this drops walking to the room one is in and to what is close already or held.
    """
    if not possible(scene, view, action):
        return False
    if action.verb == "go":
        return ROOMS[view.room] != action.thing
    if action.verb == "walk":
        i = scene.index[action.thing]
        return not view.close >> i & 1  # what is held is close, too
    return True
