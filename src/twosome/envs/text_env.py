"""The base class for environments of one's own: an observation in words, phrases to choose from, and what came of one.

`TextEnv` makes a Gymnasium environment that keeps the contract of `twosome.envs.text` out of three methods.
"""

from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, SupportsFloat

import gymnasium
import numpy as np

from twosome.envs.arguments import check_choice
from twosome.envs.base import require_saved, require_saved_keys, saved_generator
from twosome.envs.checked import Fits
from twosome.envs.spaces import PhraseIndex, text_observation
from twosome.errors import EnvError, quote

Split = Literal["train", "test"]

_STATE = ("own", "goal", "past", "score", "steps", "np_random")


@dataclass(frozen=True)
class Turn:
    """What an environment says when an episode begins, and after each action.

    Args:
        observation: what there is to see now, in sentences.
        actions: the phrases to choose from, as many as there are: a list, of which `TextEnv.act` is handed the one that
            is chosen, or a dict from each phrase to what `act` is handed in its place. A phrase that stands there
            twice is one action. There may be none where the episode is over.
        reward: of the action; 0 unless given.
        score: of the episode so far, in place of a reward: what it has grown by is the reward.
        done: whether the episode is over.
        truncated: whether it is cut off here, as at a limit of time, though it is not over.
        success: whether the goal is reached, read where the episode is over; None: it is if the last reward was
            positive.

    Raises:
        EnvError: the parts are not of these kinds, or a reward comes with a score.
    """

    observation: str = ""
    actions: Sequence[str] | Mapping[str, Any] = ()
    reward: SupportsFloat | None = None
    score: SupportsFloat | None = None
    done: bool = False
    truncated: bool = False
    success: bool | None = None

    def __post_init__(self) -> None:
        faults = []
        if not isinstance(self.observation, str):
            faults.append(f"expected the observation to be a text, found {quote(self.observation)}.")
        if not isinstance(self.actions, list | tuple | Mapping) or not all(isinstance(p, str) for p in self.actions):
            faults.append(
                "expected the actions to be a list of phrases, or a dict from phrases to what act is handed, found "
                f"{quote(self.actions)}."
            )
        if self.reward is not None and self.score is not None:
            faults.append(
                f"expected a reward or a score, found both, {quote(self.reward)} and {quote(self.score)}. The score "
                "is the sum of the rewards so far: leave one of them out."
            )
        if self.score is not None and (isinstance(self.score, bool) or not isinstance(self.score, _NUMBERS)):
            faults.append(f"expected the score to be a number, found {quote(self.score)}.")
        if faults:
            raise EnvError(" ".join(faults))


_NUMBERS = (int, float, np.integer, np.floating)


def prompt_of(*parts: str) -> str:
    """A prompt of these parts, one blank between each; those that say nothing are left out."""
    return " ".join(part for part in map(str.strip, parts) if part)


class TextEnv(gymnasium.Env[dict[str, Any], int], ABC):
    """An environment of text: a subclass says how an episode begins and what an action does.

    ::

        class Light(twosome.TextEnv):
            goal = "You want to sleep in the dark."

            def begin(self, rng, split):
                self.on = bool(rng.integers(2))
                return self.look()

            def act(self, action):
                if action == "go to bed":
                    return twosome.Turn(reward=float(not self.on), done=True)
                self.on = action == "switch on the light"
                return self.look()

            def look(self):
                other = "off" if self.on else "on"
                state = "on" if self.on else "off"
                return twosome.Turn(f"The light is {state}.", [f"switch {other} the light", "go to bed"])

    A model reads, one blank between each: the goal, the last few observations with what was done, the observation now,
    and the cue, which each phrase completes. Where the model's context does not hold all of it, the oldest observations
    are left out first; the goal and the observation never are.

    Attributes:
        goal: what is wanted, in a sentence. `begin` may set another for each episode.
        cue: the beginning of the sentence that the phrases complete; "" where observations end in one of their own.
        history: how many of the past observations, with what was done, are told again.
        max_steps: actions after which an episode is cut off; None: it goes on until it is done.
        gamma: discount of each action, for the return that is reported.
        split: which tasks `begin` draws from, as the argument of the environment says.
        fits: says whether a model's context holds a prompt with each of some phrases; set by who lets a model play.

    Args:
        split: "train" or "test".
        render_mode: of Gymnasium; None for an environment that does not draw itself.

    Raises:
        ConfigError: there is no such split.
    """

    goal: str = ""
    cue: str = "Now you"
    history: int = 0
    max_steps: int | None = None
    gamma: float = 0.99
    split: Split = "train"
    fits: Fits | None = None
    action_space: gymnasium.Space[int] = PhraseIndex()
    observation_space: gymnasium.Space[dict[str, Any]] = text_observation()

    _turn: Turn | None = None
    _past: tuple[str, ...] = ()
    _score: float = 0.0
    _steps: int = 0

    def __init__(self, split: Split = "train", render_mode: str | None = None) -> None:
        check_choice("split", split, ("train", "test"))
        self.split = split
        self.render_mode = render_mode

    # -- what a subclass writes ------------------------------------------------------------------------

    @abstractmethod
    def begin(self, rng: np.random.Generator, split: Split) -> Turn:
        """Begin an episode.

        Args:
            rng: draws what is random, here and, as `self.np_random`, in `act`; so a seed gives the same episodes.
            split: "train", or "test" for tasks that training never meets.
        """

    @abstractmethod
    def act(self, action: Any) -> Turn:
        """Carry out the action that was chosen.

        Args:
            action: its phrase, or what the dict of actions has for it.
        """

    def tell(self, observation: str, action: str) -> str:
        """How a past observation, and the phrase that was chosen then, read in the history."""
        return f"{observation} You {action}.".strip()

    def save_state(self) -> dict[str, Any]:
        """All that the rest of the episode depends on, as plain JSON; for runs that resume exactly.

        The goal, the history and the random generator are saved already.
        """
        raise NotImplementedError

    def load_state(self, state: dict[str, Any]) -> Turn:
        """Go back to what `save_state` returned; returns what there is to see and to choose from there."""
        raise NotImplementedError

    # -- Gymnasium -------------------------------------------------------------------------------------

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Begin an episode; see Gymnasium."""
        super().reset(seed=seed)
        self._past, self._score, self._steps = (), 0.0, 0
        turn = self._taken(self.begin(self.np_random, self.split), "begin")
        if turn.done or turn.truncated or turn.reward:
            raise EnvError(
                f"expected begin to return a Turn that is not done and earns nothing, found {quote(turn)}. Rewards are "
                "for what act does; draw another task where there is nothing to do."
            )
        self._score = 0.0 if turn.score is None else float(turn.score)
        return self.observation(), {}

    def step(self, action: int) -> tuple[dict[str, Any], SupportsFloat, bool, bool, dict[str, Any]]:
        """Carry out the action with this index; see Gymnasium.

        Raises:
            EnvError: there is no episode to step in, or no such action.
        """
        before, phrases = self._running(), self._phrases()
        if action not in self.action_space or action >= len(phrases):
            raise EnvError(f"the action is {quote(action)}; expected an index from 0 to {len(phrases) - 1}.")
        phrase = phrases[action]
        told = self.tell(before.observation.strip(), phrase)
        self._past = (*self._past, told)[-self.history :] if self.history else ()
        self._steps += 1
        chosen = before.actions[phrase] if isinstance(before.actions, Mapping) else phrase
        turn = self._taken(self.act(chosen), "act")
        too_long = self.max_steps is not None and self._steps >= self.max_steps
        truncated = (turn.truncated or too_long) and not turn.done
        observation = self.observation()
        info = {"success": turn.success} if (turn.done or truncated) and turn.success is not None else {}
        if turn.done or truncated:
            self._turn = None
        return observation, self._reward(turn), turn.done, truncated, info

    def observation(self) -> dict[str, Any]:
        """What the agent is given now: the goal, as much of the history as fits, the observation and the cue.

        Raises:
            EnvError: not even the goal and the observation fit into the model's context.
        """
        turn, phrases = self._running(), self._phrases()
        past = () if turn.done else self._past

        def prompt_from(first: int) -> str:
            return prompt_of(self.goal, *past[first:], turn.observation, self.cue)

        def holds(first: int) -> bool:
            return turn.done or self.fits is None or self.fits(prompt_from(first), phrases)

        # The whole is tried first, since it usually fits; the less of the past is told, the sooner it does.
        first = 0 if holds(0) else 1 + bisect_left(range(1, len(past) + 1), True, key=holds)
        prompt = prompt_from(first)
        if first <= len(past):
            return {"prompt": prompt, "actions": phrases}
        longest = max(phrases, key=len, default="")
        raise EnvError(
            f"the prompt {quote(prompt)} with {len(phrases)} actions such as {quote(longest)} does not fit into the "
            f"model's context, though no history is told: {len(prompt):,} characters, expected fewer. Tell less in "
            "goal and observation, or take a model with a longer context; twosome check-env --model counts the tokens."
        )

    @property
    def get_state(self) -> Any:
        """Where the episode stands, as plain JSON: a method, of those classes alone that have `save_state`."""
        if type(self).save_state is TextEnv.save_state or type(self).load_state is TextEnv.load_state:
            raise AttributeError(f"{type(self).__name__} has no save_state and load_state")
        return self._get_state

    @property
    def set_state(self) -> Any:
        """Go on from what `get_state` returned: a method, of the same classes."""
        self.get_state  # noqa: B018 - raises where there is none
        return self._set_state

    # -- inside ----------------------------------------------------------------------------------------

    def _get_state(self) -> dict[str, Any]:
        return {
            "own": self.save_state(),
            "goal": self.goal,
            "past": list(self._past),
            "score": self._score,
            "steps": self._steps,
            "np_random": self.np_random.bit_generator.state,
        }

    def _set_state(self, state: Mapping[str, Any]) -> None:
        require_saved_keys("it", state, _STATE)
        past, kinds = state["past"], {"goal": str, "steps": int, "score": float | int}
        require_saved(
            "past", past, isinstance(past, list) and all(isinstance(told, str) for told in past), "a list of texts"
        )
        for name, kind in kinds.items():
            require_saved(name, state[name], isinstance(state[name], kind), "what was saved")
        self.np_random = saved_generator(state["np_random"])
        self.goal, self._past = state["goal"], tuple(past)
        self._score, self._steps = float(state["score"]), state["steps"]
        self._taken(self.load_state(state["own"]), "load_state")

    def _taken(self, turn: Turn, method: str) -> Turn:
        """Let this be what the environment says now."""
        if not isinstance(turn, Turn):
            raise EnvError(f"expected {method} to return a twosome.Turn, found {quote(turn)}.")
        self._turn = turn
        return turn

    def _running(self) -> Turn:
        if self._turn is None:
            raise EnvError("there is no episode to step in: call reset() first.")
        return self._turn

    def _phrases(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self._running().actions))

    def _reward(self, turn: Turn) -> SupportsFloat:
        if turn.score is None:
            return 0.0 if turn.reward is None else turn.reward
        before, self._score = self._score, float(turn.score)
        return self._score - before
