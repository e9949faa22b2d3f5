"""Games of OpenSpiel, against random play or a trained policy; needs the extra `open-spiel`."""

import importlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from twosome.envs.arguments import check_whole, suggestion
from twosome.envs.base import is_whole, require_saved, require_saved_keys
from twosome.envs.text_env import Split, TextEnv, Turn, prompt_of
from twosome.errors import ConfigError, EnvError, TwosomeError, quote
from twosome.extras import require_package

EXTRA = "open-spiel"
GAME = "tic_tac_toe"
RANDOM = "random"
SPECS: dict[str, tuple[str, dict[str, object]]] = {"OpenSpiel": ("OpenSpielEnv", {})}
MOST_GAMES = 1000
"""That may end before a player's first move, one after the other."""


@runtime_checkable
class Opponent(Protocol):
    """What this environment asks of `twosome.opponent.Opponent`."""

    env: str
    env_kwargs: dict[str, Any]
    digest: str

    def probabilities(self, prompt: str, phrases: Sequence[str]) -> NDArray[np.float64]:
        """One for each phrase."""
        ...


class OpenSpielEnv(TextEnv):
    """Play a game of OpenSpiel against players who move at random, or as a trained policy does.

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
    The game's own. What chance decides, as cards that are dealt, is drawn; so are all moves of the other players, and
    the seat if it is None.

    ## Episode End
    Terminated when the game is over, with success if its returns are positive; truncated after `max_steps` decisions.

    ## Arguments

    Args:
        game: OpenSpiel's name of it, with parameters or without: "tic_tac_toe", "hex(board_size=3)".
        seat: which of the players this one is, from 0; None: drawn for each episode.
        opponent: who moves for all other players: "random", or the folder of a run that was trained in this game, of a
            saved agent or of what `twosome export` wrote. Its moves are drawn from its policy, which is shown what a
            player in that seat is shown. It stays as it is.
        history: how many past observations are told again, with what was done.
        max_steps: decisions after which an episode is cut off.
        split: "train" or "test", which are the same here: a game has no tasks.

    Raises:
        MissingExtraError: OpenSpiel is not installed.
        ConfigError: there is no such game, or its players move at the same time, or there is no such seat; or the
            opponent was trained in something else, or with a history.
        RunError: there is no such opponent, or it wants to run code that is not consented to.

    ## Version History
    - v0: the first.
    """

    cue = "Your move is"

    def __init__(
        self,
        game: str = GAME,
        seat: int | None = 0,
        history: int = 0,
        max_steps: int = 200,
        split: Split = "train",
        opponent: str = RANDOM,
    ) -> None:
        super().__init__(split)
        require_package("pyspiel", EXTRA, "OpenSpiel")
        self._game = _loaded(game)
        if seat is not None:
            check_whole("seat", seat, 0, self._game.num_players() - 1, default=0)
        check_whole("history", history, 0, 1000, default=0)
        check_whole("max_steps", max_steps, 1, 100_000, default=200)
        self.seat, self.history, self.max_steps = seat, history, max_steps
        self._opponent = None if opponent == RANDOM else self._trained(opponent, game)

    @staticmethod
    def resolve_arguments(kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """The same arguments, with a folder that means the same wherever it is read."""
        opponent = kwargs.get("opponent", RANDOM)
        if opponent == RANDOM or not isinstance(opponent, str):
            return dict(kwargs)
        return {**kwargs, "opponent": os.path.abspath(os.path.expanduser(opponent))}

    def begin(self, rng: np.random.Generator, split: Split) -> Turn:
        """Begin a game."""
        for _ in range(MOST_GAMES):
            self._player = int(rng.integers(self._game.num_players())) if self.seat is None else self.seat
            self.goal = self._goal_of(self._player)
            self._state = self._game.new_initial_state()
            turn = self._until_own_move()
            if not turn.done:
                return turn
        raise EnvError(
            f"{MOST_GAMES} games ended before player {self._player} had a move; expected one. Take another seat."
        )

    def act(self, action: int) -> Turn:
        """Make a move, and let the others make theirs."""
        self._state.apply_action(action)
        return self._until_own_move()

    def save_state(self) -> dict[str, Any]:
        """The game as OpenSpiel writes it, the seat if it is drawn, and which policy the opponent is."""
        return {
            "state": self._state.serialize(),
            **({"seat": self._player} if self.seat is None else {}),
            **({"opponent": self._opponent.digest} if self._opponent else {}),
        }

    def load_state(self, state: dict[str, Any]) -> Turn:
        """Go back to it."""
        import pyspiel

        keys = ["state", *["seat"] * (self.seat is None), *["opponent"] * (self._opponent is not None)]
        require_saved_keys("own", state, keys)
        if self._opponent and state["opponent"] != self._opponent.digest:
            raise EnvError(
                f"the opponent is another than in the saved game: its SHA-256 is {self._opponent.digest[:16]}..., "
                f"expected {quote(state['opponent'])}. Put back what was in its folder, or begin anew; a run that goes "
                "on changes, what twosome export makes of it does not."
            )
        try:
            self._state = self._game.deserialize_state(state["state"])
        except (pyspiel.SpielError, TypeError, ValueError):
            require_saved("state", state["state"], False, "a state of this game")
        seat: Any = state.get("seat", self.seat)
        holds = is_whole(seat, 0, self._game.num_players())
        holds = holds and (self._state.is_terminal() or self._state.current_player() == seat)
        require_saved("seat", seat, holds, "the player whose move it is")
        self._player = seat
        return self._told()

    def _until_own_move(self) -> Turn:
        state = self._state
        while not state.is_terminal() and state.current_player() != self._player:
            if state.is_chance_node():
                outcomes, chances = zip(*state.chance_outcomes(), strict=True)
                state.apply_action(int(self.np_random.choice(outcomes, p=chances)))
            elif self._opponent is None:
                state.apply_action(int(self.np_random.choice(state.legal_actions())))
            else:
                seat = int(state.current_player())
                observation, actions = self._seen_by(seat)
                prompt = prompt_of(self._goal_of(seat), observation, self.cue)
                policy = self._opponent.probabilities(prompt, tuple(actions))
                state.apply_action(int(self.np_random.choice(list(actions.values()), p=policy)))
        return self._told()

    def _told(self) -> Turn:
        score, done = float(self._state.player_return(self._player)), self._state.is_terminal()
        if done:
            return Turn(score=score, done=True, success=score > 0)
        return Turn(*self._seen_by(self._player), score=score)

    def _seen_by(self, seat: int) -> tuple[str, dict[str, int]]:
        """What the player whose move it is sees, and the moves by their words."""
        state, kind = self._state, self._game.get_type()
        tell = state.observation_string if kind.provides_observation_string else state.information_state_string
        actions = {state.action_to_string(seat, action): action for action in state.legal_actions()}
        if len(actions) != len(state.legal_actions()):
            raise EnvError(f"expected actions with different words, found {quote(list(actions))}. Take another game.")
        return " ".join(tell(seat).split()), actions

    def _goal_of(self, seat: int) -> str:
        players = self._game.num_players()
        among = f" as player {seat} of players 0 to {players - 1}" if players > 1 else ""
        return f"You play {self._game.get_type().long_name}{among}."

    def _trained(self, opponent: object, game: str) -> Opponent:
        """A trained policy, once it is one of this game."""
        players = self._game.num_players()
        if not isinstance(opponent, str) or players == 1:
            raise ConfigError(
                f"opponent={quote(opponent)}: expected {RANDOM!r} or, in a game of several players, the folder of a "
                f"run; players are {players} here. Leave it out."
            )
        try:
            # By its name, because it stands above the environments and loads PyTorch.
            loaded: Opponent = importlib.import_module("twosome.opponent").load(opponent)
        except TwosomeError as error:
            raise type(error)(f"opponent={quote(opponent)} cannot play: {error}") from error
        # As they are written: what a run of somebody else's names is neither imported nor loaded to compare it.
        env, played = loaded.env.removeprefix("twosome/").removesuffix("-v0"), loaded.env_kwargs.get("game", GAME)
        if env != "OpenSpiel" or played != game:
            raise ConfigError(
                f"opponent={quote(opponent)} was trained in {quote(loaded.env)} with {quote(loaded.env_kwargs)}; "
                f"expected OpenSpiel with the game {quote(game)}, whose moves it knows. Name a run of this game, and "
                "the game as that run does."
            )
        if loaded.env_kwargs.get("history"):
            raise ConfigError(
                f"opponent={quote(opponent)} was trained with history={quote(loaded.env_kwargs['history'])}; expected "
                "none, since an opponent is shown the situation alone. Name a run without."
            )
        return loaded


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
