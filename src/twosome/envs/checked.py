"""The one door between environments and this package: what comes through keeps the contract of `twosome.envs.text`.

Training, evaluation, recording, imitation, the baselines and `check_contract` all play through a `CheckedEnv`. It takes
every answer of an environment at its exact types or raises an `EnvError` that names the environment, its seed, the
episode, the step and the action; an exception of the environment becomes such an error too. Of `info` it reads three
keys and drops the rest. The last observation of an episode that terminated is not looked at, since nothing follows it.
"""

import inspect
import json
import traceback
import warnings
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.wrappers import OrderEnforcing, PassiveEnvChecker, TimeLimit
from numpy.typing import NDArray

from twosome.decision import Decision, text_faults
from twosome.documents import parse_json, require_shallow
from twosome.envs.history import EpisodePosition, History
from twosome.envs.spaces import PhraseIndex, Phrases
from twosome.errors import EnvCrashError, EnvError, quote
from twosome.observation import Observation

T = TypeVar("T")

Fits = Callable[[str, Sequence[str]], bool]
"""Whether a model's context holds a prompt with each of some phrases."""

MAX_SEED = 2**31 - 1
"""Largest seed that an environment is reset with: environments in C and Java take no more."""
MAX_REWARD = 1e9
"""Largest absolute reward of a step: its square, summed over an episode, is still a float32."""
MAX_PRIMITIVE_STEPS = 2**31 - 1
_REMEMBERED_ACTIONS = 100
"""Texts with more actions are read anew each time: to remember them takes more memory than time."""


class EnvCloseWarning(UserWarning):
    """An environment failed while it was closed, so what it has opened may still be open."""


def env_seeds(seed: int | Sequence[int], count: int) -> list[int]:
    """Seeds for so many environments or episodes, each from 0 to `MAX_SEED`.

    They are derived and not counted up from `seed`, or runs of neighboring seeds would meet the same environments.
    """
    return [drawn & MAX_SEED for drawn in np.random.SeedSequence(seed).generate_state(count).tolist()]


def raised(error: BaseException) -> str:
    """What foreign code raised, and where, in a few words."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at line {frames[-1].lineno} of {quote(Path(frames[-1].filename).name)}" if frames else ""
    return f"raised {quote(error)}{place}"


def close(env: gymnasium.Env[Any, Any]) -> None:
    """Close an environment. If that fails, it is said, but keeps nobody from going on."""
    try:
        env.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        warnings.warn(f"while the environment {env} was closed it {raised(error)}.", EnvCloseWarning, stacklevel=2)


def limit_prompts(env: gymnasium.Env[Any, Any], fits: Fits) -> gymnasium.Env[Any, Any]:
    """The environment, once it knows what a model can read: one that tells history leaves out what does not fit.

    Args:
        env: the environment, with or without wrappers; one without an attribute `fits` is left as it is.
        fits: of the model's scorer.
    """
    environment: Any = env.unwrapped
    if hasattr(environment, "fits"):
        environment.fits = fits
    return env


class Step(NamedTuple):
    """What an action led to.

    Attributes:
        decision: the choice that follows; None where the episode is over.
        prompt: of the state that was reached; None where the environment terminated the episode, as nothing follows.
        reward: finite.
        primitive_steps: that the action took, at least 1.
        terminated: whether the environment itself ended the episode.
        truncated: whether the episode was cut off instead; never both.
        success: whether the goal was reached; means something only where the episode is over.
        vector: of the state that was reached; None where there is no prompt, or the environment says nothing in
            numbers.
    """

    decision: Decision | None
    prompt: str | None
    reward: float
    primitive_steps: int
    terminated: bool
    truncated: bool
    success: bool
    vector: NDArray[Any] | None


class CheckedEnv:
    """An environment every answer of which is checked and read in one place.

    Args:
        env: the environment, with or without wrappers.
        make: what has made it, and can make another in its place; None: nothing can.

    Attributes:
        num_actions: how many actions every observation has; None: as many as it says.
        observation: what a policy is shown now; set by what begins an episode or carries out an action.
        history: what was asked of it.

    Raises:
        EnvError: its spaces or methods are not those of the contract.
    """

    def __init__(self, env: gymnasium.Env[Any, Any], make: Callable[[], gymnasium.Env[Any, Any]] | None = None) -> None:
        if not isinstance(env, gymnasium.Env):
            raise EnvError(f"expected a Gymnasium environment, found {quote(env)}.")
        self.env = env
        self._make = make
        self.name = env.spec.id if env.spec is not None else type(env.unwrapped).__name__
        self.num_actions, self._vector_shape = _read_spaces(env, self.name)
        _require_signatures(env, self.name)
        self.history = History()
        self._phrases: tuple[str, ...] = ("",) * (self.num_actions or 0)
        self._is_closed = False
        self.observation: Observation

    @classmethod
    def made_by(cls, make: Callable[[], gymnasium.Env[Any, Any]]) -> "CheckedEnv":
        """The environment that `make` makes; it is closed again if it does not keep the contract."""
        env = make()
        try:
            return cls(env, make)
        except BaseException:
            if isinstance(env, gymnasium.Env):
                close(env)
            raise

    def __enter__(self) -> "CheckedEnv":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- playing ---------------------------------------------------------------------------------------

    def reset(self, seed: int | None = None) -> Decision:
        """Begin an episode.

        Args:
            seed: from 0 to `MAX_SEED`; None: the environment goes on drawing from its own generator.

        Raises:
            EnvError: the environment fails or breaks its contract.
        """
        self.history.reset(seed)
        try:
            answer = self.env.reset() if seed is None else self.env.reset(seed=seed)
            if not isinstance(answer, tuple) or len(answer) != 2:
                raise EnvError(f"expected reset to return (observation, info), found {quote(answer)}.")
            observation, info = answer
            return self._decision(observation, info, _info_faults(info))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._located(error, "reset") from error

    def step(self, action: int) -> Step:
        """Carry out an action.

        Args:
            action: an id; the environment is handed it as an int.

        Raises:
            EnvError: the environment fails or breaks its contract, or there is no such action.
        """
        phrase = phrase_of(action, self._phrases)
        self.history.step(action, phrase)
        try:
            if phrase is None:
                raise EnvError(f"expected the id of an action, from 0 to {len(self._phrases) - 1}.")
            return self._read_step(self.env.step(int(action)))
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._located(error, doing_step(self.position.step, action, phrase)) from error

    def render(self) -> NDArray[np.uint8]:
        """A picture of the current state, of shape (height, width, 3).

        Raises:
            EnvError: the environment fails or draws something else.
        """
        return self._call("render", self._render)

    def attribute(self, name: str, default: Any) -> Any:
        """What the environment says of itself under a name; the default where it says nothing.

        Raises:
            EnvError: the environment fails.
        """
        return self._call(name, lambda: getattr(self.env.unwrapped, name, default))

    @property
    def is_limitable(self) -> bool:
        """Whether the environment leaves out of its prompts what does not fit; see `limit_prompts`."""
        return hasattr(self.env.unwrapped, "fits")

    def begin_reset(self, seed: int | None = None) -> "Callable[[], Decision]":
        """Like `reset`, in two parts, for environments that work meanwhile: what is returned waits for the answer."""
        return partial(self.reset, seed)

    def begin_step(self, action: int, *, go_on: bool = False) -> "Callable[[], Step]":
        """Like `step`, in two parts; `go_on` also begins the `reset()` that follows the end of an episode."""
        return partial(self.step, action)

    def wait_made(self) -> None:
        """Wait until the environment is made: it is."""

    def restart(self) -> None:
        """Make the environment anew, in place of one that has failed.

        Raises:
            EnvError: it cannot be made.
        """
        assert self._make is not None
        self.close()
        self.env = self.made_by(self._make).env
        self._is_closed = False

    def close(self) -> None:
        """Close the environment, once; see `close`."""
        if not self._is_closed:
            self._is_closed = True
            close(self.env)

    # -- saving and going on ---------------------------------------------------------------------------

    @property
    def position(self) -> EpisodePosition:
        """Where the environment stands."""
        return self.history.position

    @property
    def can_restore(self) -> bool:
        """Whether the environment can save and restore its state, its wrappers included."""
        methods = ("get_state", "set_state", "observation")
        # Other wrappers may keep a state of their own, which nobody would restore.
        known = all(type(wrapper) in (PassiveEnvChecker, OrderEnforcing, TimeLimit) for wrapper in _wrappers(self.env))
        return known and all(callable(getattr(self.env.unwrapped, name, None)) for name in methods)

    @property
    def elapsed(self) -> list[int | None]:
        """Steps that each time limit around the environment has counted."""
        return [limit._elapsed_steps for limit in _time_limits(self.env)]

    def get_state(self) -> dict[str, Any]:
        """What the environment's `get_state` returns.

        Raises:
            EnvError: the environment fails, or its state is no plain JSON.
        """
        return self._call("get_state", self._get_state)

    def set_state(
        self, state: dict[str, Any], position: EpisodePosition, elapsed: list[int | None] | None = None
    ) -> Decision:
        """Let the environment go on from a state; returns the choice that it poses there.

        Args:
            state: as `get_state` returned it.
            position: where the environment stood then.
            elapsed: as it was then; None: time limits stay as they are.

        Raises:
            EnvError: the environment fails or breaks its contract.
        """
        limits = self.elapsed if elapsed is None else elapsed
        self.history.restore(position, state, limits)
        for limit, steps in zip(_time_limits(self.env), limits, strict=True):
            limit._elapsed_steps = steps  # type: ignore[assignment]
        self._call("set_state", lambda: self.env.unwrapped.set_state(state))  # type: ignore[attr-defined]
        return self.observe()

    def observe(self) -> Decision:
        """The choice that the environment poses now, by its own `observation`.

        Raises:
            EnvError: the environment fails or breaks its contract.
        """
        env: Any = self.env.unwrapped
        return self._call("observation", lambda: self._decision(env.observation(), {}, []))

    # -- reading ---------------------------------------------------------------------------------------

    def _read_step(self, answer: Any) -> Step:
        if not isinstance(answer, tuple) or len(answer) != 5:
            raise EnvError(
                f"expected step to return (observation, reward, terminated, truncated, info), found {quote(answer)}."
            )
        observation, reward, terminated, truncated, info = answer
        faults = [
            *_reward_faults(reward),
            *_flag_faults("terminated", terminated),
            *_flag_faults("truncated", truncated),
            *_info_faults(info),
        ]
        if faults:
            raise EnvError(" ".join(faults))
        decision, prompt, vector = None, None, None
        if not terminated and truncated:
            prompt, vector = self._texts(observation, info, faults).prompt, self._vector(observation)
        elif not terminated:
            decision = self._decision(observation, info, faults)
            prompt, vector = decision.prompt, self.observation.vector
        reward = float(reward)
        return Step(
            decision,
            prompt,
            reward,
            # An environment may say 0 where no time passes; a decision takes a step at least.
            max(1, int(info.get("primitive_steps", 1))),
            bool(terminated),
            bool(truncated and not terminated),
            bool(info.get("success", terminated and reward > 0)),
            vector,
        )

    def _decision(self, observation: Any, info: Any, faults: list[str]) -> Decision:
        """The choice that an observation poses."""
        texts = self._texts(observation, info, faults)
        decision = texts.decision or Decision(texts.prompt, texts.actions)  # which says that no action is available
        self._phrases = decision.actions
        self.observation = Observation(decision, self._vector(observation), self.env)
        return decision

    def _vector(self, observation: Any) -> NDArray[Any] | None:
        """The numbers of an observation that has been looked at; None where the environment's spaces name none."""
        return None if self._vector_shape is None else observation["vector"]

    def _texts(self, observation: Any, info: Any, faults: list[str]) -> "_Texts":
        """Prompt and actions of an observation, whether or not an action is available.

        Raises:
            EnvError: something is wrong with them, with the mask or the vector, or was before; all is told.
        """
        if not isinstance(observation, dict) or "prompt" not in observation or "actions" not in observation:
            faults.append(
                f'expected the observation to be a dict with "prompt" and "actions", found {quote(observation)}.'
            )
            raise EnvError(" ".join(faults))
        prompt, actions = observation["prompt"], observation["actions"]
        if self.num_actions is None and isinstance(actions, list):
            actions = tuple(actions)
        remembered = not isinstance(actions, tuple) or len(actions) <= _REMEMBERED_ACTIONS
        try:
            texts = (_read_texts if remembered else _read_texts.__wrapped__)(prompt, actions, self.num_actions)
        except TypeError:  # what cannot be hashed is no text either
            texts = _read_texts.__wrapped__(prompt, actions, self.num_actions)
        faults += texts.faults
        if not texts.faults and isinstance(info, dict) and "action_mask" in info:
            faults += _mask_faults(info["action_mask"], texts.valid)
        if self._vector_shape is not None:
            faults += _vector_faults(observation.get("vector"), self._vector_shape)
        if faults:
            raise EnvError(" ".join(faults))
        return texts

    def _get_state(self) -> dict[str, Any]:
        state = self.env.unwrapped.get_state()  # type: ignore[attr-defined]
        try:
            # As a checkpoint will be read.
            parse_json(json.dumps(state, allow_nan=False))
            if not isinstance(state, dict):
                raise ValueError("it is no dict")
            names = [key for part in require_shallow(state) if isinstance(part, dict) for key in part]
            if others := [name for name in names if not isinstance(name, str)]:
                raise ValueError(f"its key {quote(others[0])} is no text")
        except (TypeError, ValueError, RecursionError) as error:
            reason = quote(str(error)).strip("'\"")
            raise EnvError(
                f"expected get_state to return a dict of plain JSON: {reason}. Found {quote(state)}."
            ) from error
        return state

    def _render(self) -> NDArray[np.uint8]:
        frame: Any = self.env.render()
        if not isinstance(frame, np.ndarray) or frame.dtype != np.uint8 or frame.shape[2:] != (3,):
            raise EnvError(f"expected a picture, uint8 of shape (height, width, 3), found {quote(frame)}.")
        return frame

    # -- errors ----------------------------------------------------------------------------------------

    def _call(self, method: str, ask: Callable[[], T]) -> T:
        """What one of the environment's further methods answers."""
        try:
            return ask()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise self._located(error, f"{method} after step {self.position.step}") from error

    def _located(self, error: BaseException, doing: str) -> EnvError:
        """The error with the place where it happened."""
        where = located(self.name, self.position, doing)
        if isinstance(error, EnvError):
            return type(error)(where + str(error))
        return EnvCrashError(
            f"{where}the environment {raised(error)}. Mend it there; with TWOSOME_TRACEBACK=1 set, the command shows "
            "the traceback."
        )


def located(name: str, position: EpisodePosition, doing: str) -> str:
    """How an error about an environment begins: where it happened."""
    return f"{name}, {position}, {doing}: "


def doing_step(number: int, action: object, phrase: str | None) -> str:
    """What `located` says of a step."""
    return f"step {number}, action {quote(action) if phrase is None else f'{action} {quote(phrase)}'}"


def phrase_of(action: object, phrases: Sequence[str]) -> str | None:
    """The phrase of an action; None if there is no such action."""
    is_id = isinstance(action, int | np.integer) and 0 <= action < len(phrases)
    return phrases[action] if is_id else None  # type: ignore[call-overload]


def _wrappers(env: gymnasium.Env[Any, Any]) -> list[gymnasium.Wrapper[Any, Any, Any, Any]]:
    found = []
    while isinstance(env, gymnasium.Wrapper):
        found.append(env)
        env = env.env
    return found


def _time_limits(env: gymnasium.Env[Any, Any]) -> list[TimeLimit[Any, Any]]:
    return [wrapper for wrapper in _wrappers(env) if isinstance(wrapper, TimeLimit)]


def _read_spaces(env: gymnasium.Env[Any, Any], name: str) -> tuple[int | None, tuple[int, ...] | None]:
    """The number of actions, None where it changes, and the shape of "vector" where the environment has one."""
    actions, observations = getattr(env, "action_space", None), getattr(env, "observation_space", None)
    n = int(actions.n) if isinstance(actions, spaces.Discrete) and actions.start == 0 else None
    if n is None and not isinstance(actions, PhraseIndex):
        raise EnvError(
            f"{name}: expected the action space Discrete(n) with ids from 0, or twosome.envs.spaces.PhraseIndex() "
            f"where the number of actions changes, found {quote(actions)}."
        )
    parts = observations.spaces if isinstance(observations, spaces.Dict) else {}
    phrases = parts.get("actions")
    if n is None:
        fits, expected = isinstance(phrases, Phrases | spaces.Sequence), "Phrases (twosome.envs.spaces)"
    else:
        fits = isinstance(phrases, spaces.Tuple) and len(phrases) == n
        expected = f"a Tuple of {n} Text, one for each action"
    if "prompt" not in parts or not fits:
        raise EnvError(
            f'{name}: expected observation_space to be a Dict with "prompt", a Text, and "actions", {expected}; '
            f"found {quote(observations)}. Wrap the environment in one that describes its observations and actions in "
            "words."
        )
    vector = parts.get("vector")
    return n, None if vector is None else vector.shape


def _require_signatures(env: gymnasium.Env[Any, Any], name: str) -> None:
    """Gymnasium calls `reset` with a seed and `step` with an action."""
    for method, arguments, keywords, expected in (
        (env.unwrapped.reset, (), {"seed": 0, "options": None}, "reset(self, *, seed=None, options=None)"),
        (env.unwrapped.step, (0,), {}, "step(self, action)"),
    ):
        try:
            signature = inspect.signature(method)
        except ValueError:  # written in C
            continue
        try:
            signature.bind(*arguments, **keywords)
        except TypeError as error:
            raise EnvError(f"{name}: expected a method {expected}, found {quote(str(signature))}.") from error


class _Texts(NamedTuple):
    """What was read of a prompt and its actions: exactly str, if there are no faults."""

    faults: list[str]
    prompt: str
    actions: tuple[str, ...]
    valid: list[int]
    decision: Decision | None
    """None if there are faults, or no action is available."""


@lru_cache(maxsize=1024)  # many environments say the same again and again
def _read_texts(prompt: Any, actions: Any, num_actions: int | None) -> _Texts:
    prompt = _plain(prompt)
    if isinstance(actions, tuple):
        actions = tuple([_plain(phrase) for phrase in actions])
    faults = text_faults(prompt, actions, num_actions)
    if prompt == "":
        faults.append("expected the prompt to be a text, found an empty one.")
    if faults:
        return _Texts(faults, "", (), [], None)
    decision = Decision(prompt, actions) if any(actions) else None
    return _Texts(faults, prompt, actions, [int(bool(phrase)) for phrase in actions], decision)


def _plain(text: Any) -> Any:
    """A text as exactly str, where it is one of a kind (NumPy's, an enumeration's); anything else as it is."""
    return str.__str__(text) if isinstance(text, str) else text


def _reward_faults(reward: Any) -> list[str]:
    # NaN is in no interval.
    is_number = isinstance(reward, float | int | np.floating | np.integer) and not isinstance(reward, bool)
    # As a float, because in float16 the bounds themselves are infinite.
    number = float(reward) if isinstance(reward, np.floating) else reward
    if is_number and -MAX_REWARD <= number <= MAX_REWARD:
        return []
    return [
        f"expected the reward to be a finite number, a float or an int, of at most {MAX_REWARD:g} either way, found "
        f"{quote(reward)}."
    ]


def _flag_faults(name: str, flag: Any) -> list[str]:
    if isinstance(flag, bool | np.bool_):
        return []
    return [f"expected {name} to be True or False, found {quote(flag)}."]


def _info_faults(info: Any) -> list[str]:
    if not isinstance(info, dict):
        return [f"expected info to be a dict, found {quote(info)}."]
    faults = []
    steps = info.get("primitive_steps", 1)
    is_whole = isinstance(steps, int | np.integer) and not isinstance(steps, bool)
    if not is_whole or not 0 <= steps <= MAX_PRIMITIVE_STEPS:
        faults.append(
            f'expected info["primitive_steps"] to be a whole number from 0 to {MAX_PRIMITIVE_STEPS}, found '
            f"{quote(steps)}."
        )
    success = info.get("success", False)
    if not isinstance(success, bool | np.bool_):
        faults.append(f'expected info["success"] to be True or False, found {quote(success)}.')
    return faults


def _mask_faults(mask: Any, phrased: list[int]) -> list[str]:
    if isinstance(mask, np.ndarray) and mask.dtype == np.int8 and mask.tolist() == phrased:
        return []
    return [
        f'expected info["action_mask"] to be an int8 array with 1 exactly where there is a phrase, {quote(phrased)}, '
        f"found {quote(mask)}."
    ]


def _vector_faults(vector: Any, shape: tuple[int, ...]) -> list[str]:
    if isinstance(vector, np.ndarray) and vector.shape == shape:
        kind = vector.dtype.kind
        if kind in "biu" or (kind == "f" and np.isfinite(vector).all()):
            return []
    return [f'expected "vector" to be an array of finite numbers of shape {shape}, found {quote(vector)}.']
