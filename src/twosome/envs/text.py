"""What the rest of the package asks of an environment: a prompt, the phrases of the valid actions, nothing else.

It is a Gymnasium environment (`TextEnvProtocol` lists the parts) that keeps these promises:

- An observation is a dict with `"prompt"`, a str that stops in mid-sentence without a blank at its end, and
  `"actions"`, the phrases that complete it, each a str, `""` where an action is not available now. At least one is
  available until the episode ends. `"vector"`, a numeric array of fixed shape, is optional: the same situation for
  those who learn from numbers; a language model does not read it.
- Either the actions are always the same n: `action_space` is `Discrete(n)`, `"actions"` is a tuple of n. Or they are
  as many as there are: `action_space` is `twosome.envs.spaces.PhraseIndex()`, `"actions"` is a tuple or list of any
  length, and `observation_space` is `twosome.envs.spaces.text_observation()`. `step` takes the phrase's index, an int.
- `info["action_mask"]`, if there is one, is an int8 array with an entry for each phrase, 1 where it is not empty.
- `info["primitive_steps"]`, if there is one, says how many steps of time the action took; without it every
  action takes one. Discounting counts those.
- `info["success"]`, if there is one, says at the end of an episode whether the goal was reached; without it, one that
  terminated with a positive reward has.
- The last observation of an episode that terminated may be anything. That of one that was cut off is read.
- `reset` takes a seed of 31 bits.

Optional, on `env.unwrapped`: `gamma` (discount per primitive step, for the return that is reported),
`action_names`, `planner()` (an object with `act() -> int` for the current state), and for exact resumption
`get_state() -> dict`, plain JSON, and `set_state(dict)`, after which `observation()` is what it was; `fits`, None at
first: where a model reads, a function of a prompt and phrases that says whether its context holds them.
`twosome.envs.text_env.TextEnv` is a base class that has all of it.

`twosome.envs.checked` holds an environment to all of it while it is played in; `check_contract` does so on purpose.
"""

import difflib
import importlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import gymnasium
import numpy as np
from gymnasium.envs import registration
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.envs import callables
from twosome.envs.arguments import suggestion
from twosome.envs.checked import CheckedEnv, Fits, close, limit_prompts, raised
from twosome.envs.history import EpisodePosition
from twosome.errors import ConfigError, EnvCrashError, EnvError, MissingExtraError, TwosomeError, quote

NAMESPACE = "twosome"
GAMMA = 0.99
"""Discount per primitive step of environments that do not say."""

EnvLike = str | gymnasium.Env[Any, Any] | Callable[[], gymnasium.Env[Any, Any]] | CheckedEnv
"""An environment's name, the environment itself, or what makes one."""


@runtime_checkable
class Planner(Protocol):
    """Knows the best action."""

    def act(self) -> int:
        """The best action in the environment's current state."""
        ...


@runtime_checkable
class TextEnvProtocol(Protocol):
    """All that an environment of this package has on `env.unwrapped` beside Gymnasium's own."""

    gamma: float
    action_names: tuple[str, ...]

    def observation(self) -> dict[str, Any]:
        """The observation of the current state, as `reset` and `step` return it."""
        ...

    def action_masks(self) -> NDArray[np.int8]:
        """1 for each action that is available now."""
        ...

    def get_state(self) -> dict[str, Any]:
        """Everything that decides how the episode goes on, as plain JSON."""
        ...

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what `get_state` returned."""
        ...

    def planner(self) -> Planner:
        """The planner of this environment."""
        ...


def decision_from(observation: Mapping[str, Any]) -> Decision:
    """The choice that an observation of one environment poses.

    Raises:
        NoActionError: no action is available.
    """
    return Decision(observation["prompt"], tuple(observation["actions"]))


def decisions_from(observation: Mapping[str, Any], num_envs: int, *, transposed: bool = True) -> list[Decision]:
    """The choices that an observation of a vector environment poses, one per environment.

    Args:
        observation: as `SyncVectorEnv` or `AsyncVectorEnv(shared_memory=False)` return it: `"prompt"` has one
            entry per environment.
        num_envs: how many environments there are.
        transposed: whether `"actions"` has, per action id, one entry per environment, as it arrives from environments
            with `Discrete(n)`; else it has the phrases of each environment, as from those with `PhraseIndex()`.

    Raises:
        NoActionError: no action is available in one of them.
        EnvError: the observation is not of so many environments.
    """
    prompts, actions = observation["prompt"], observation["actions"]
    sizes = {len(prompts), *(map(len, actions) if transposed else [len(actions)])}
    if sizes != {num_envs}:
        raise EnvError(
            f"the observation has parts for {sorted(sizes)} environments, expected {num_envs} in each: pass what a "
            "vector environment returned, and the number of its environments."
        )
    by_env = zip(*actions, strict=True) if transposed else actions
    return [Decision(prompt, tuple(phrases)) for prompt, phrases in zip(prompts, by_env, strict=True)]


def make(name: str, /, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Make an environment.

    Args:
        name: "TomatoSalad", "TomatoSalad-v0", "twosome/TomatoSalad-v0", or the id of any other Gymnasium
            environment that keeps the contract of this module, such as "my_package:mine/Env-v0".
        **kwargs: arguments of the environment.

    Raises:
        EnvError: no environment has this name (the message names the one that was probably meant), it cannot
            be imported or made, or its observations are no texts.
        ConfigError: an argument is unknown or out of range.
    """
    module, _, env_id = resolve(name).rpartition(":")
    if ":" in name:
        _import(module, name)
    spec = gymnasium.registry.get(env_id)
    if spec is None and callables.is_callable(env_id):
        raise callables.not_here(env_id)
    if spec is None:
        found = f"the module {quote(module)} registers no {quote(env_id)}" if module else ""
        raise EnvError(_unknown(name, found))
    _check_arguments(spec, kwargs)
    try:
        # Gymnasium's checker warns of some of what `CheckedEnv` refuses, and stumbles over what nobody reads.
        env: gymnasium.Env[Any, Any] = gymnasium.make(env_id, **{"disable_env_checker": True, **kwargs})
    except (TwosomeError, KeyboardInterrupt):
        raise
    except (gymnasium.error.Error, ImportError) as error:
        raise EnvError(f"the environment {name!r} cannot be made: {error}") from error
    except BaseException as error:
        given = f" with {quote(kwargs)}" if kwargs else ""
        raise EnvCrashError(
            f"the environment {name!r} cannot be made{given}: it {raised(error)}. Expected arguments as its own "
            "documentation describes them, and a constructor that does not fail."
        ) from error
    if env_id not in _ids():
        try:
            require_text_env(env)
        except BaseException:
            close(env)
            raise
    return env


def maker(name: str, kwargs: Mapping[str, Any], fits: Fits) -> Callable[[], gymnasium.Env[Any, Any]]:
    """What makes an environment for a model to read; see `make` and `limit_prompts`."""
    return lambda: limit_prompts(make(name, **kwargs), fits)


def make_checked(name: str, /, **kwargs: Any) -> CheckedEnv:
    """Make an environment to play in: its answers are checked, and it is closed at the end of a `with` block.

    Args:
        name: see `make`.
        **kwargs: arguments of the environment.

    Raises:
        TwosomeError: see `make`.
    """
    return CheckedEnv.made_by(lambda: make(name, **kwargs))


def opened(env: EnvLike, /, **kwargs: Any) -> AbstractContextManager[CheckedEnv]:
    """An environment to play in, for a `with` block, which closes it in the end if it was made here.

    Args:
        env: see `EnvLike`.
        **kwargs: arguments of the environment, if it is given by its name.

    Raises:
        TwosomeError: see `make`.
        ConfigError: it is none of these, or comes with arguments and is made already.
    """
    if isinstance(env, str):
        return make_checked(env, **kwargs)
    if kwargs:
        raise ConfigError(
            f"arguments of the environment are {quote(kwargs)}; expected none with {quote(env)}, which is no name. "
            "Make it with them, or give its name."
        )
    if isinstance(env, CheckedEnv | gymnasium.Env):
        return nullcontext(env if isinstance(env, CheckedEnv) else CheckedEnv(env))
    if not callable(env):
        raise ConfigError(
            f"the environment is {quote(env)}; expected its name, such as 'TomatoSalad', a Gymnasium environment, or a "
            "function without arguments that makes one."
        )
    return CheckedEnv.made_by(lambda: _made(env))


def _made(make: Callable[[], gymnasium.Env[Any, Any]]) -> gymnasium.Env[Any, Any]:
    try:
        return make()
    except (TwosomeError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise EnvError(
            f"the environment cannot be made: {quote(make)} {raised(error)}. Expected a function without arguments "
            "that returns a Gymnasium environment."
        ) from error


def require_text_env(env: gymnasium.Env[Any, Any]) -> None:
    """Look at the spaces and at one observation; `check_contract` looks closer.

    Args:
        env: the environment, with or without wrappers; it is reset, without a seed.

    Raises:
        EnvError: the environment does not speak; the message says what was expected and what was found.
    """
    CheckedEnv(env).reset()


def gamma_of(env: EnvLike, kwargs: Mapping[str, Any] | None = None) -> float:
    """Discount per primitive step that an environment wants its return reported with; 0.99 where it does not say.

    Raises:
        EnvError: no such environment is registered.
        ConfigError: it takes no such argument.
    """
    with opened(env, **(kwargs or {})) as environment:
        return require_gamma(environment.attribute("gamma", GAMMA), environment.name)


def require_gamma(gamma: Any, name: str) -> float:
    """The discount that an environment says, once it is one.

    Raises:
        EnvError: it is none.
    """
    if not isinstance(gamma, float | int | np.floating | np.integer) or not 0 <= gamma <= 1:
        raise EnvError(
            f"the environment {name!r}: expected its gamma to be a number from 0 to 1, found {quote(gamma)}."
        )
    return float(gamma)


def resolve(name: str) -> str:
    """The id that a name stands for, with its version: the newest one where the name has none.

    Takes whatever `make` takes, and returns what `make` takes: "TomatoSalad" is "twosome/TomatoSalad-v0", and
    "light:home/Light" is "light:home/Light-v0". A full id, or a name that nothing is registered under, stays.

    Raises:
        EnvError: the module before the colon has to be imported to know the newest version, and cannot be.
    """
    module, colon, bare = name.rpartition(":")
    if bare in gymnasium.registry:
        return name
    match = registration.ENV_ID_RE.fullmatch(bare)
    if match is None:
        return name
    if colon and match["version"] is None:
        _import(module, name)
    return module + colon + _registered(bare, (None, NAMESPACE) if colon else (NAMESPACE, None))


def resolve_arguments(name: str, kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of an environment that mean the same wherever they are read, where its class says how.

    Args:
        name: of the environment, as `resolve` returns it.
        kwargs: its arguments.

    Raises:
        EnvError: what is registered under the name cannot be loaded.
    """
    spec = gymnasium.registry.get(name.rpartition(":")[2])
    resolved = None if spec is None else getattr(_creator(spec), "resolve_arguments", None)
    arguments: dict[str, Any] = dict(kwargs) if resolved is None else resolved(kwargs)
    return arguments


def _registered(name: str, namespaces: Sequence[str | None]) -> str:
    """The registered id that a name stands for; the name itself if there is none.

    Args:
        name: without module.
        namespaces: where to look for one without namespace, in this order.
    """
    if name in gymnasium.registry:
        return name
    namespace, bare, version = registration.parse_env_id(name)
    for space in namespaces if namespace is None else (namespace,):
        newest = registration.find_highest_version(space, bare) if version is None else version
        env_id = registration.get_env_id(space, bare, newest)
        if env_id in gymnasium.registry:
            return env_id
    return name


def _import(module: str, name: str) -> None:
    """Import the module that registers the environment of this name."""
    if not all(module.split(".")) or ":" in module:
        raise EnvError(_unknown(name, f"{quote(module)} is no name of a module"))
    try:
        importlib.import_module(module)
    except TwosomeError:
        raise
    except ImportError as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and f"{module}.".startswith(f"{missing}."):
            found = f"there is no module {quote(module)} in the current folder or among the installed packages"
            raise EnvError(_unknown(name, found)) from error
        raise EnvError(
            f"importing the module {quote(module)} of the environment {quote(name)} failed: {error}. Install what it "
            f"needs, or mend the import; python -c 'import {module}' shows where it is."
        ) from error
    except (Exception, SystemExit) as error:  # whatever a foreign module does while it is imported
        raise EnvError(
            f"the module {quote(module)} of the environment {quote(name)} {raised(error)} when imported. Mend it there."
        ) from error


WRAPPED_PREFIX = f"{NAMESPACE}.envs.gym."
"""Where the classes are that tell other people's environments in words."""


def env_ids() -> tuple[str, ...]:
    """Ids of all environments of this package, in the order of their registration."""
    return tuple(env_id for env_id in _ids() if env_id not in wrapped_ids())


def wrapped_ids() -> tuple[str, ...]:
    """Ids of other people's environments that this package tells in words."""
    return tuple(env_id for env_id in _ids() if str(gymnasium.registry[env_id].entry_point).startswith(WRAPPED_PREFIX))


def _ids() -> list[str]:
    return [env_id for env_id in gymnasium.registry if env_id.startswith(f"{NAMESPACE}/")]


def _bare(env_id: str) -> str:
    """An environment's name without namespace and version."""
    return env_id.removeprefix(f"{NAMESPACE}/").rpartition("-v")[0]


def _unknown(name: str, found: str = "") -> str:
    names = [_bare(env_id) for env_id in _ids()]
    wanted = name.rpartition(":")[2].removeprefix(f"{NAMESPACE}/").partition("-v")[0]
    by_lower = {known.lower(): known for known in names}
    close = difflib.get_close_matches(wanted.lower(), by_lower, n=1)
    hint = f" Did you mean {by_lower[close[0]]!r}?" if close else ""
    reason = f": {found}" if found else ""
    return (
        f"there is no environment {quote(name)}{reason}.{hint} Expected one of {', '.join(names)}, or the id of "
        'another Gymnasium environment; "module:id" imports the module that registers it.'
    )


def _check_arguments(spec: registration.EnvSpec, kwargs: Mapping[str, Any]) -> None:
    """Reject arguments that the environment does not have, as far as its signature tells."""
    mode = kwargs.get("render_mode")
    if not isinstance(mode, str | None):
        raise ConfigError(f"render_mode={quote(mode)}: expected a name such as 'rgb_array', or none.")
    parameters = inspect.signature(_creator(spec)).parameters
    allowed = list(parameters)
    if spec.namespace != NAMESPACE:
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
            return
        allowed += ["max_episode_steps", "disable_env_checker"]  # of gymnasium.make
    for name in kwargs:
        if name not in allowed:
            hint = suggestion(name, allowed)
            raise ConfigError(f"{spec.id} has no argument {quote(name)}; expected some of {', '.join(allowed)}.{hint}")


def _creator(spec: registration.EnvSpec) -> Callable[..., Any]:
    """What makes an environment of this kind."""
    if callable(spec.entry_point):
        return spec.entry_point
    try:
        creator: Callable[..., Any] = registration.load_env_creator(str(spec.entry_point))
    except TwosomeError:
        raise
    except (ImportError, AttributeError, ValueError) as error:
        raise EnvError(
            f"the environment {spec.id!r} is registered with entry_point {spec.entry_point!r}, which cannot be loaded: "
            f'{error}. Expected "module:Class".'
        ) from error
    return creator


@dataclass(frozen=True)
class EnvInfo:
    """What one needs to choose an environment."""

    id: str
    description: str
    num_actions: int | None
    """None: it changes."""
    gamma: float
    """Discount per primitive step for the return that is reported."""


def list_envs() -> list[EnvInfo]:
    """All environments that this package has or tells in words, but those whose extra is missing.

    The description is what the prompt says is wanted, or, where each episode says that in its own words, the first line
    of the environment's documentation.
    """
    envs = []
    for env_id in _ids():
        try:
            made = make_checked(env_id)
        except MissingExtraError:
            continue
        with made as env:
            goal, bare = env.reset(seed=0).prompt.split(". ")[0], env.env.unwrapped
            if not goal.startswith("You want to "):
                goal = str(inspect.getdoc(bare)).split("\n")[0].rstrip(".")
            envs.append(EnvInfo(env_id, goal.removeprefix("You want to "), env.num_actions, bare.gamma))  # type: ignore[attr-defined]
    return envs


def check_contract(env: gymnasium.Env[Any, Any], num_steps: int = 200, seed: int = 0) -> None:
    """Play at random and see whether the environment keeps the contract of this module.

    Args:
        env: the environment, with or without wrappers; it is reset.
        num_steps: how many steps to play.
        seed: of the first reset and of the choice of actions.

    Raises:
        EnvError: it does not; the message says what was expected, what was found, and where.
    """
    checked, rng = CheckedEnv(env), np.random.default_rng(seed)
    decision = checked.reset(seed)
    for _ in range(num_steps):
        step = checked.step(int(rng.choice(decision.available)))
        decision = step.decision or checked.reset()
    if hasattr(env.unwrapped, "get_state"):
        check_restoring(env)


def check_restoring(env: gymnasium.Env[Any, Any]) -> None:
    """See whether an environment goes on from a saved state as it went on before.

    Args:
        env: one with `get_state`, `set_state` and `observation`, in an episode.

    Raises:
        EnvError: it does not.
    """
    checked = CheckedEnv(env.unwrapped)
    saved, before = json.loads(json.dumps(checked.get_state())), checked.observe()
    went_on = _play_on(checked)
    after = checked.set_state(saved, EpisodePosition())
    if before != after:
        raise EnvError(
            f"{checked.name}: expected the same observation after set_state(get_state()), found {quote(after)}."
        )
    if _play_on(checked) != went_on:
        raise EnvError(
            f"{checked.name}: expected the same actions to lead to the same after set_state(get_state()); they led "
            "elsewhere. If the environment draws at random, let get_state include self.np_random.bit_generator.state, "
            "and set_state put it back."
        )


def _play_on(env: CheckedEnv, num_steps: int = 50) -> list[tuple[str, float, bool]]:
    """What a fixed choice of actions leads to, also into the next episodes."""
    rng, seen = np.random.default_rng(0), []
    decision = env.observe()
    for _ in range(num_steps):
        step = env.step(int(rng.choice(decision.available)))
        decision = step.decision or env.reset()
        seen.append((decision.prompt, step.reward, step.terminated))
    return seen
