"""What can be evaluated: a run, an untrained model, a baseline. Each says exactly what it is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import torch

from twosome import models
from twosome.baselines import Planner, Uniform
from twosome.baselines.saycan import Affordance, SayCan, random_experience
from twosome.checkpoint_schema import LEARNED
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.envs.checked import raised
from twosome.envs.named import NamedEnv
from twosome.errors import ConfigError, TwosomeError, quote
from twosome.evaluate.loading import ModelOptions
from twosome.evaluate.request import Request, own_policy
from twosome.evaluate.success import Evaluation, evaluate_on, seeds_of
from twosome.files import sha256
from twosome.policy.base import Policy, require_policy
from twosome.policy.calibration import Calibration
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.loading import load_run, load_scorer, require_recorded_model
from twosome.rollout import random_decisions
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer
from twosome.trust import open_checkpoint
from twosome.versions import versions

AFFORDANCE_DECISIONS = 20_000
"""Decisions of random play from which SayCan learns what it can do, unless told otherwise."""


@dataclass(frozen=True)
class Evaluator:
    """A policy, and the environment in which it is evaluated."""

    name: str  # for tables
    policy: Policy  # who plays
    env: str  # the environment's name
    env_kwargs: dict[str, Any]  # its keyword arguments
    identity: dict[str, Any]  # what is being evaluated, as plain JSON: model, adapter hash, normalization
    greedy: bool = False  # take the most probable action in place of drawing
    around: Callable[[Any], Any] | None = None  # puts around the environment what the policy plays in; None: nothing
    workers: int = 0  # how many of the environment's processes work at a time; 0: it is stepped in this one
    timeout_s: float | None = None  # with workers, how long a step or a reset may take; None: as long as it likes

    def measure_all(self, envs: Sequence[tuple[str, dict[str, Any]]], episodes: int, seed: int) -> dict[str, Any]:
        """Play fresh episodes in each of several environments; see `over_worlds`."""
        return over_worlds([self.in_env(*env).measure(episodes, seed) for env in envs])

    def in_env(self, env: str, env_kwargs: dict[str, Any]) -> "Evaluator":
        """The same policy in another environment; a language model is not loaded again."""
        return replace(self, env=env, env_kwargs=env_kwargs)

    def play(self, seeds: Sequence[int]) -> Evaluation:
        """Play an episode for each seed; returns are discounted as the environment says."""
        if (around := self.around) is None:
            return evaluate_on(self.policy, self._named(), seeds, greedy=self.greedy)
        make = partial(text.make, self.env, **self.env_kwargs)
        return evaluate_on(self.policy, lambda: around(make()), seeds, greedy=self.greedy)

    def measure(self, episodes: int, seed: int) -> dict[str, Any]:
        """Play fresh episodes; the result as plain JSON, with all that is needed to repeat it."""
        return {
            "env": text.resolve(self.env),
            "env_kwargs": self.env_kwargs,
            **self.play(seeds_of(episodes, seed)).summary(),
            "gamma": self.gamma(),
            "seed": seed,
            **self.identity,
            "versions": versions(),
        }

    def gamma(self) -> float:
        """The environment's discount per primitive step."""
        return self._named().gamma()

    def _named(self) -> NamedEnv:
        return NamedEnv(self.env, self.env_kwargs, self.workers, self.timeout_s)


def over_worlds(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One document of a policy's results in several environments; of a single one the result itself.

    It has the results, ``worlds``, and means over them, each environment counting as much as the others.
    """
    if len(results) == 1:
        return results[0]
    means = {name: float(np.mean([result[name] for result in results])) for name in ("success_rate", "return_mean")}
    asked = {name: results[0][name] for name in ("episodes", "seed")}
    return {**asked, **means, "worlds": list(results)}


def evaluator_for(**options: Any) -> Evaluator:
    """Who is meant by the options of `twosome eval`; `Request` names them, and refuses what makes no sense."""
    request = Request(**options)
    torch.set_num_threads(request.threads)
    evaluator = _own(request) if request.is_own_policy else _MAKERS[request.policy](request)
    named = request.named_env()
    return replace(evaluator, workers=named.workers, timeout_s=named.timeout_s)


def _random(request: Request) -> Evaluator:
    return Evaluator("random", Uniform(), *request.environment(), {"policy": "random"})


def _planner(request: Request) -> Evaluator:
    return Evaluator("optimal planner", Planner(), *request.environment(), {"policy": "planner"})


def _own(request: Request) -> Evaluator:
    """A policy of the user's own."""
    name = request.policy
    try:
        policy = own_policy(name)()
    except (TwosomeError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise ConfigError(
            f"--policy {quote(name)} cannot be made: it {raised(error)}. Expected a class that is made without "
            "arguments."
        ) from error
    identity = {"policy": name, "greedy": request.greedy}
    return Evaluator(name, require_policy(policy), *request.environment(), identity, request.greedy)


def _saycan(request: Request) -> Evaluator:
    """An untrained model with an affordance learnt from random play in the same environment."""
    env, env_kwargs = request.environment()
    named, config, actor = request.named_model(), request.config(), _untrained(request)
    decisions = AFFORDANCE_DECISIONS if request.affordance_decisions is None else request.affordance_decisions
    seed = 1 if request.affordance_seed is None else request.affordance_seed
    affordance = Affordance(env, seed=seed, env_kwargs=env_kwargs)
    experience = random_experience(env, decisions, seed, env_kwargs=env_kwargs)
    affordance.fit(experience)
    identity = {
        "model": named,
        **_loaded(request.loading),
        **_random_init(named, config),
        "policy": "saycan",
        **_normalized(actor),
        "greedy": request.greedy,
        "affordance": {
            "learnt_from": "random play",
            "decisions": experience.decisions,
            "in_finished_episodes": len(experience.targets),
            "seed": seed,
        },
    }
    return Evaluator(f"{named}, SayCan", SayCan(actor, affordance), env, env_kwargs, identity, request.greedy)


def _model(request: Request) -> Evaluator:
    """A language model, trained in a run or untrained."""
    config, named, run = request.config(), request.named_model(), request.run
    random_init = _random_init(named, config)
    identity: dict[str, Any]
    if run is None or config is None or request.model is not None:
        actor = _untrained(request)
        name = f"{named}, {'random weights' if random_init else 'untrained'}"
        identity = {"model": named, "adapter": None, **_loaded(request.loading)}
    else:
        actor, _, folder = load_run(run, request.checkpoint or "last")
        name = f"{named}, trained"
        learned = sha256(folder / LEARNED[config.tuning])
        identity = {"model": named, "run": str(run), "checkpoint": folder.name, "adapter": learned}
        identity |= {"tuning": "full"} if config.tuning == "full" else {}
        actor.normalization = request.normalization or actor.normalization
    identity = {"policy": "model", **identity, **random_init, **_normalized(actor), "greedy": request.greedy}
    return Evaluator(name, actor, *request.environment(), identity, request.greedy)


_MAKERS: dict[str, Callable[[Request], Evaluator]] = {
    "model": _model,
    "random": _random,
    "planner": _planner,
    "saycan": _saycan,
}
"""How each policy that has a name of its own is made."""


def _untrained(request: Request) -> LanguageModelPolicy:
    """A model by its name; with the settings of a run, if there is one, so that the two can be compared.

    With normalization ``"learned"`` it is where a run would begin in this environment.
    """
    config, model = request.config(), request.named_model()
    named = request.named_env()
    if request.run is not None and config is not None and models.is_same_model(config.model, model):
        run = RunDirectory.open(request.run)
        # What a trained model is compared with is what its training began with.
        if run.checkpoints():
            require_recorded_model(open_checkpoint(run, request.checkpoint or "last", config)[1], config)
        scorer = load_scorer(config)
    else:
        scorer = ActionScorer.from_pretrained(model, **request.loading.given())
    config = config or TrainConfig(env=named.name, model=model)
    calibration = Calibration(config.prior_weight)
    actor = LanguageModelPolicy(
        scorer, request.normalization or config.normalization, config.context_free_prompt, calibration
    )
    if actor.normalization == "learned":
        sources = (
            replace(named, name=env, kwargs=env_kwargs).source(scorer.fits)
            for env, env_kwargs in request.environments()
        )
        met = chain(*(random_decisions(source, config.seed) for source in sources))
        actor.calibrate(list(dict.fromkeys(met)), config.target_entropy)
    return actor


def _normalized(actor: LanguageModelPolicy) -> dict[str, Any]:
    """What has to be said of how scores become a policy."""
    numbers = actor.calibration.numbers() if actor.normalization == "learned" else {}
    return {"normalization": actor.normalization, **numbers}


def _loaded(loading: ModelOptions) -> dict[str, Any]:
    """What has to be said of how a model was loaded, where it was not as by default."""
    return {"loading": loading.given()} if loading.given() else {}


def _random_init(model: str, config: TrainConfig | None) -> dict[str, bool]:
    """What has to be said of a model whose weights the run drew at random."""
    drawn = config is not None and config.random_init and models.is_same_model(config.model, model)
    return {"random_init": True} if drawn else {}
