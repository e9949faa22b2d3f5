"""Games of OpenSpiel, against random play; needs the extra `open-spiel`."""

from typing import Any

import numpy as np

from twosome.envs.arguments import check_whole, suggestion
from twosome.envs.base import require_saved, require_saved_keys
from twosome.envs.text_env import Split, TextEnv, Turn
from twosome.errors import ConfigError, EnvError, quote
from twosome.extras import require_package

EXTRA = "open-spiel"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"OpenSpiel": ("OpenSpielEnv", {})}
MOST_GAMES = 1000
"""That may end before a player's first move, one after the other."""


class OpenSpielEnv(TextEnv):
    """Play a game of OpenSpiel against players who move at random.

    ## Description
    Any of OpenSpiel's games in which one player moves at a time. The prompt has the game's name, the player's number,
    and what OpenSpiel tells that player of the situation.

    ## Action Space
    `PhraseIndex()`: the legal actions, as OpenSpiel words them.

    ## Observation Space
    A `Dict`: `"prompt"` and `"actions"`.

    ## Rewards
    The game's own, from one decision of this player to the next: in most games 1 at the end for a victory, -1 for a
    defeat. `gamma` is 0.99.

    ## Starting State
    The game's own. What chance decides, as cards that are dealt, is drawn; so are all moves of the other players.

    ## Episode End
    Terminated when the game is over, with success if its returns are positive; truncated after `max_steps` decisions.

    ## Arguments

    Args:
        game: OpenSpiel's name of it, with parameters or without: "tic_tac_toe", "hex(board_size=3)".
        seat: which of the players this one is, from 0.
        history: how many past observations are told again, with what was done.
        max_steps: decisions after which an episode is cut off.
        split: "train" or "test", which are the same here: a game has no tasks.

    Raises:
        MissingExtraError: OpenSpiel is not installed.
        ConfigError: there is no such game, or its players move at the same time, or there is no such seat.

    ## Version History
    - v0: the first.
    """

    cue = "Your move is"

    def __init__(
        self,
        game: str = "tic_tac_toe",
        seat: int = 0,
        history: int = 0,
        max_steps: int = 200,
        split: Split = "train",
    ) -> None:
        super().__init__(split)
        require_package("pyspiel", EXTRA, "OpenSpiel")
        self._game = _loaded(game)
        players = self._game.num_players()
        check_whole("seat", seat, 0, players - 1, default=0)
        check_whole("history", history, 0, 1000, default=0)
        check_whole("max_steps", max_steps, 1, 100_000, default=200)
        self.seat, self.history, self.max_steps = seat, history, max_steps
        among = f" as player {seat} of players 0 to {players - 1}" if players > 1 else ""
        self.goal = f"You play {self._game.get_type().long_name}{among}."

    def begin(self, rng: np.random.Generator, split: Split) -> Turn:
        """Begin a game."""
        for _ in range(MOST_GAMES):
            self._state = self._game.new_initial_state()
            turn = self._until_own_move()
            if not turn.done:
                return turn
        raise EnvError(
            f"{MOST_GAMES} games ended before player {self.seat} had a move; expected one. Take another seat."
        )

    def act(self, action: int) -> Turn:
        """Make a move, and let the others make theirs."""
        self._state.apply_action(action)
        return self._until_own_move()

    def save_state(self) -> dict[str, Any]:
        """The game as OpenSpiel writes it."""
        return {"state": self._state.serialize()}

    def load_state(self, state: dict[str, Any]) -> Turn:
        """Go back to it."""
        import pyspiel

        require_saved_keys("own", state, ("state",))
        try:
            self._state = self._game.deserialize_state(state["state"])
        except (pyspiel.SpielError, TypeError, ValueError):
            require_saved("state", state["state"], False, "a state of this game")
        return self._told()

    def _until_own_move(self) -> Turn:
        state = self._state
        while not state.is_terminal() and state.current_player() != self.seat:
            if state.is_chance_node():
                actions, chances = zip(*state.chance_outcomes(), strict=True)
                state.apply_action(int(self.np_random.choice(actions, p=chances)))
            else:
                state.apply_action(int(self.np_random.choice(state.legal_actions())))
        return self._told()

    def _told(self) -> Turn:
        state, kind = self._state, self._game.get_type()
        score, done = float(state.player_return(self.seat)), state.is_terminal()
        if done:
            return Turn(score=score, done=True, success=score > 0)
        tell = state.observation_string if kind.provides_observation_string else state.information_state_string
        actions = {state.action_to_string(self.seat, action): action for action in state.legal_actions()}
        if len(actions) != len(state.legal_actions()):
            raise EnvError(f"expected actions with different words, found {quote(list(actions))}. Take another game.")
        return Turn(" ".join(tell(self.seat).split()), actions, score=score)


def _loaded(game: str) -> Any:
    """The game of this name, if it can be played here."""
    import pyspiel

    names = pyspiel.registered_names()
    if not isinstance(game, str) or game.partition("(")[0] not in names:
        raise ConfigError(
            f"game={quote(game)}: expected the name of one of OpenSpiel's {len(names)} games, which "
            f"pyspiel.registered_names() lists.{suggestion(game, names)}"
        )
    try:
        loaded = pyspiel.load_game(game)
    except (pyspiel.SpielError, IndexError) as error:  # of nfg_game
        raise ConfigError(
            f"game={quote(game)}: OpenSpiel refuses it, {quote(str(error))}. Mend its parameters."
        ) from None
    kind = loaded.get_type()
    for holds, expected in (
        (kind.dynamics == pyspiel.GameType.Dynamics.SEQUENTIAL, "in which one player moves at a time"),
        (kind.chance_mode != pyspiel.GameType.ChanceMode.SAMPLED_STOCHASTIC, "that repeats itself for a seed"),
        (kind.provides_observation_string or kind.provides_information_state_string, "that tells what a player sees"),
    ):
        if not holds:
            raise ConfigError(f"game={quote(game)}: expected a game {expected}. Take another one, such as tic_tac_toe.")
    return loaded
