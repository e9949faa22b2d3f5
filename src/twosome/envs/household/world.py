"""The rules of the household as pure functions: what is seen, what can be done, what it changes.

`perceive` turns a state into a `View`, which is all that the prompt, the mask and the symbolic observation
may depend on. `possible` says whether an action would be carried out, `sensible` whether it is worth
offering, and `carry_out` gives the next state. The `-v0` tasks replay VirtualHome's evolving-graph simulator
bit for bit, its quirks included: a held thing is believed to be one room behind, so walking "to" it leads
back there; having sat on a seat is remembered for ever; walking to a surface does not bring one close to what
lies on it.
"""

from typing import NamedTuple

from twosome.envs.household.graph import AT_HOME, HANDS, IN_HAND, NOWHERE, ROOMS, Action, Scene, State


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
    """Whether `action` is offered: it can be carried out and leads somewhere.

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


def carry_out(scene: Scene, state: State, action: Action) -> State:
    """The state after `action`; the very same state where it is not `possible`."""
    if not possible(scene, perceive(scene, state), action):
        return state
    if action.verb == "go":
        return _walk(state, ROOMS.index(action.thing), 0)
    if action.verb == "stand":
        return state._replace(sitting=-1)
    i = scene.index[action.thing]
    bit = 1 << i
    if action.verb == "walk":
        return _walk_to_thing(scene, state, i)
    if action.verb == "grab":
        holder_bit = 1 << state.places[i] if state.places[i] >= 0 else 0
        return state._replace(
            near=state.near | bit | holder_bit,
            places=_with(state.places, i, IN_HAND),
            lag_rooms=_with(state.lag_rooms, i, state.room),
        )
    if action.verb == "put":
        holder = scene.index[action.holder]
        return state._replace(
            near=state.near | 1 << holder,
            places=_with(state.places, i, holder),
            lag_rooms=_with(state.lag_rooms, i, NOWHERE),
        )
    if action.verb in ("open", "close"):
        return state._replace(open=state.open ^ bit)
    if action.verb == "sit":
        faces = scene.things[i].faces
        return state._replace(sitting=i, sat=state.sat | bit, facing=1 << scene.index[faces] if faces else state.facing)
    return state._replace(on=state.on ^ bit)


def _walk_to_thing(scene: Scene, state: State, i: int) -> State:
    place = state.places[i]
    if place == IN_HAND:  # the quirk: back to where the thing was before the last walk
        return _walk(state, state.lag_rooms[i], 1 << i)
    if place >= 0:
        return _walk(state, scene.rooms[place], 1 << i | 1 << place)
    near = 1 << i
    if scene.containers >> i & 1:
        near |= sum(1 << j for j, holder in enumerate(state.places) if holder == i)
    return _walk(state, scene.rooms[i], near)


def _walk(state: State, room: int, near: int) -> State:
    held = [i for i, place in enumerate(state.places) if place == IN_HAND]
    lag_rooms = tuple(state.room if i in held else NOWHERE for i in range(len(state.places)))
    return state._replace(room=room, near=near | sum(1 << i for i in held), lag_rooms=lag_rooms, facing=0)


def _with(entries: tuple[int, ...], i: int, value: int) -> tuple[int, ...]:
    return (*entries[:i], value, *entries[i + 1 :])
