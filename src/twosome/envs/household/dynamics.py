"""The rules of the household as pure functions on frozen data: `carry_out` gives the state after an action.

What is seen, and what can be done, is in `view.py`. The `-v0` tasks replay VirtualHome's evolving-graph simulator
bit for bit, its quirks included: a held thing is believed to be one room behind, so walking "to" it leads
back there; having sat on a seat is remembered for ever; walking to a surface does not bring one close to what
lies on it.
"""

from twosome.envs.household.graph import IN_HAND, NOWHERE, ROOMS, Action, Scene, State
from twosome.envs.household.view import perceive, possible


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
