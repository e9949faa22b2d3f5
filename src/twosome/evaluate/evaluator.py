"""What can be evaluated: a run, an untrained model, a baseline. Each says exactly what it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from twosome import models
from twosome.baselines import Planner, Uniform
from twosome.baselines.saycan import Affordance, SayCan, random_experience
from twosome.config import TrainConfig
from twosome.content import LEARNED
from twosome.envs import text
from twosome.evaluate.loading import ModelOptions
from twosome.evaluate.request import Request
from twosome.evaluate.success import Evaluation, evaluate
from twosome.opening import open_checkpoint
from twosome.policy.actor import Actor
from twosome.policy.agent import Agent, load_scorer, require_recorded_model
from twosome.policy.base import Policy
from twosome.policy.calibration import Calibration
from twosome.rollout import random_decisions
from twosome.runs import RunDirectory, sha256
from twosome.scoring import ActionScorer, Normalization
from twosome.versions import versions

AFFORDANCE_DECISIONS = 20_000
"""Decisions of random play from which SayCan learns what it can do, unless told otherwise."""


@dataclass(frozen=True)
class Evaluator:
    """A policy, and the world in which it is evaluated.

    Attributes:
        name: for tables.
        policy: who plays.
        env: the world's name.
        env_kwargs: its keyword arguments.
        identity: what is being evaluated, as plain JSON: model, adapter hash, normalization.
        greedy: take the most probable action in place of drawing.
    """

    name: str
    policy: Policy
    env: str
    env_kwargs: dict[str, Any]
    identity: dict[str, Any]
    greedy: bool = False

    def in_world(self, env: str, env_kwargs: dict[str, Any]) -> "Evaluator":
        """The same policy in another world; a language model is not loaded again."""
        return replace(self, env=env, env_kwargs=env_kwargs)

    def play(self, episodes: int, seed: int) -> Evaluation:
        """Play fresh episodes; returns are discounted as the world says."""
        return evaluate(self.policy, self.env, self.env_kwargs, greedy=self.greedy, episodes=episodes, seed=seed)

    def measure(self, episodes: int, seed: int) -> dict[str, Any]:
        """Play fresh episodes; the result as plain JSON, with all that is needed to repeat it."""
        return {
            "env": text.resolve(self.env),
            "env_kwargs": self.env_kwargs,
            **self.play(episodes, seed).summary(),
            "gamma": text.gamma_of(self.env, self.env_kwargs),
            "seed": seed,
            **self.identity,
            "versions": versions(),
        }


def evaluator_for(
    *,
    run: Path | None = None,
    model: str | None = None,
    policy: str = "model",
    env: str | None = None,
    env_kwargs: dict[str, Any] | None = None,
    checkpoint: str | None = None,
    normalization: Normalization | None = None,
    greedy: bool = False,
    loading: ModelOptions | None = None,
    affordance_decisions: int | None = None,
    affordance_seed: int | None = None,
    threads: int = 1,
) -> Evaluator:
    """Who is meant by the options of `twosome eval`; see `Request`, which refuses what makes no sense."""
    request = Request(
        run=run,
        model=model,
        policy=policy,
        env=env,
        env_kwargs=env_kwargs or {},
        checkpoint=checkpoint,
        normalization=normalization,
        greedy=greedy,
        loading=loading or ModelOptions(),
        affordance_decisions=affordance_decisions,
        affordance_seed=affordance_seed,
        threads=threads,
    )
    torch.set_num_threads(threads)
    config, loading, named = request.config(), request.loading, request.named_model()
    env, env_kwargs = request.world()
    if policy == "random":
        return Evaluator("random", Uniform(), env, env_kwargs, {"policy": "random"})
    if policy == "planner":
        return Evaluator("optimal planner", Planner(), env, env_kwargs, {"policy": "planner"})
    identity: dict[str, Any]
    if policy == "saycan":
        actor = _untrained(request)
        identity = {"model": named, **_loaded(loading), **_random_init(named, config)}
        saycan = _saycan(actor, env, env_kwargs, affordance_decisions, affordance_seed, greedy=greedy)
        return replace(saycan, name=f"{named}, SayCan", identity={**identity, **saycan.identity})
    if run is None or config is None or model is not None:
        actor = _untrained(request)
        name = f"{named}, {'random weights' if _random_init(named, config) else 'untrained'}"
        identity = {"model": named, "adapter": None, **_loaded(loading)}
    else:
        actor = Agent.load(run, checkpoint or "last").actor
        name = f"{named}, trained"
        folder = RunDirectory.open(run).checkpoint(checkpoint or "last")
        learned = sha256(folder / LEARNED[config.tuning])
        identity = {"model": named, "run": str(run), "checkpoint": folder.name, "adapter": learned}
        identity |= {"tuning": "full"} if config.tuning == "full" else {}
        actor.normalization = normalization or actor.normalization
    identity |= _random_init(named, config)
    identity = {"policy": "model", **identity, **_normalized(actor), "greedy": greedy}
    return Evaluator(name, actor, env, env_kwargs, identity, greedy)


def _saycan(
    actor: Actor, env: str, env_kwargs: dict[str, Any], decisions: int | None, seed: int | None, *, greedy: bool
) -> Evaluator:
    """An untrained model with an affordance learnt from random play in the same world."""
    decisions = AFFORDANCE_DECISIONS if decisions is None else decisions
    seed = 1 if seed is None else seed
    affordance = Affordance(env, seed=seed, env_kwargs=env_kwargs)
    experience = random_experience(env, decisions, seed, env_kwargs=env_kwargs)
    affordance.fit(experience)
    identity = {
        "policy": "saycan",
        **_normalized(actor),
        "greedy": greedy,
        "affordance": {
            "learnt_from": "random play",
            "decisions": experience.decisions,
            "in_finished_episodes": len(experience.targets),
            "seed": seed,
        },
    }
    return Evaluator("SayCan", SayCan(actor, affordance), env, env_kwargs, identity, greedy)


def _untrained(request: Request) -> Actor:
    """A model by its name; with the settings of a run, if there is one, so that the two can be compared.

    With normalization ``"learned"`` it is where a run would begin in this world.
    """
    config, model = request.config(), request.named_model()
    env, env_kwargs = request.world()
    if request.run is not None and config is not None and models.same(config.model, model):
        run = RunDirectory.open(request.run)
        # What a trained model is compared with is what its training began with.
        if run.checkpoints():
            require_recorded_model(open_checkpoint(run, request.checkpoint or "last", config)[1], config)
        scorer = load_scorer(config)
    else:
        scorer = ActionScorer.from_pretrained(model, **request.loading.given())
    config = config or TrainConfig(env=env)
    calibration = Calibration(config.prior_weight)
    actor = Actor(scorer, request.normalization or config.normalization, config.context_free_prompt, calibration)
    if actor.normalization == "learned":
        actor.calibrate(random_decisions(text.maker(env, env_kwargs, scorer.fits), config.seed), config.target_entropy)
    return actor


def _normalized(actor: Actor) -> dict[str, Any]:
    """What has to be said of how scores become a policy."""
    numbers = actor.calibration.numbers() if actor.normalization == "learned" else {}
    return {"normalization": actor.normalization, **numbers}


def _loaded(loading: ModelOptions) -> dict[str, Any]:
    """What has to be said of how a model was loaded, where it was not as by default."""
    return {"loading": loading.given()} if loading.given() else {}


def _random_init(model: str, config: TrainConfig | None) -> dict[str, bool]:
    """What has to be said of a model whose weights the run drew at random."""
    drawn = config is not None and config.random_init and models.same(config.model, model)
    return {"random_init": True} if drawn else {}
