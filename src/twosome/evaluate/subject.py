"""What can be evaluated: a run, an untrained model, a baseline. Each says exactly what it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from twosome import models
from twosome.baselines import Planner, Uniform
from twosome.baselines.saycan import Affordance, SayCan, random_experience
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.evaluate.loading import ModelOptions
from twosome.evaluate.success import Evaluation, Player, Sampled, evaluate, require_at_least
from twosome.policy.actor import Actor
from twosome.policy.agent import Agent, load_scorer
from twosome.policy.tuning import LEARNED
from twosome.runs import RunDirectory, sha256
from twosome.scoring import Normalization
from twosome.versions import versions

AFFORDANCE_DECISIONS = 20_000
"""Decisions of random play from which SayCan learns what it can do, unless told otherwise."""


@dataclass(frozen=True)
class Subject:
    """Someone who plays in a world.

    Attributes:
        name: for tables.
        player: chooses the actions.
        env: the world's name.
        env_kwargs: its keyword arguments.
        identity: what is being evaluated, as plain JSON: model, adapter hash, normalization.
    """

    name: str
    player: Player
    env: str
    env_kwargs: dict[str, Any]
    identity: dict[str, Any]

    def in_world(self, env: str, env_kwargs: dict[str, Any]) -> "Subject":
        """The same player in another world; a language model is not loaded again."""
        return replace(self, env=env, env_kwargs=env_kwargs)

    def play(self, episodes: int, seed: int) -> Evaluation:
        """Play fresh episodes; returns are discounted as the world says."""
        gamma = text.gamma_of(self.env, self.env_kwargs)
        return evaluate(self.player, self.env, self.env_kwargs, gamma=gamma, episodes=episodes, seed=seed)

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


def subject_of(
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
) -> Subject:
    """Who is meant by the options of `twosome eval`.

    Raises:
        ConfigError: the options contradict each other or name nobody.
    """
    require_at_least("threads", threads, 1)
    loading = loading or ModelOptions()
    given = {"--model": model, "--checkpoint": checkpoint, "--normalization": normalization, "--greedy": greedy or None}
    flags = [flag for flag, value in given.items() if value is not None] + loading.flags()
    if policy in ("random", "planner") and flags:
        raise ConfigError(f"{_named(flags)} nothing to --policy {policy}, which asks no language model.")
    learnt = {"--affordance-decisions": affordance_decisions, "--affordance-seed": affordance_seed}
    flags = [flag for flag, value in learnt.items() if value is not None]
    if policy != "saycan" and flags:
        raise ConfigError(f"{_named(flags)} nothing to --policy {policy}: only saycan learns an affordance.")
    if policy == "saycan" and checkpoint is not None:
        raise ConfigError("--checkpoint means nothing to --policy saycan, whose language model is untrained.")
    if model is not None and checkpoint is not None:
        raise ConfigError(
            f"--checkpoint chooses among those of a run, but --model {model} is untrained. Leave one of them out."
        )
    config = None if run is None else TrainConfig.from_json(RunDirectory.open(run).read_config())
    torch.set_num_threads(threads)
    if env is None:
        env = "TomatoSalad" if config is None else config.env
        env_kwargs = env_kwargs or ({} if config is None else config.env_kwargs)
    env_kwargs = env_kwargs or {}
    text.make(env, **env_kwargs).close()
    if policy == "random":
        return Subject("random", Sampled(Uniform()), env, env_kwargs, {"policy": "random"})
    if policy == "planner":
        return Subject("optimal planner", Planner(), env, env_kwargs, {"policy": "planner"})
    identity: dict[str, Any]
    if policy == "saycan":
        named = model or ("hearth" if config is None else config.model)
        actor = _untrained(named, config, loading)
        actor.normalization = normalization or actor.normalization
        identity = {"model": named, **_loaded(loading), **_random_init(named, config)}
        saycan = _saycan(actor, env, env_kwargs, affordance_decisions, affordance_seed, greedy=greedy)
        return replace(saycan, name=f"{named}, SayCan", identity={**identity, **saycan.identity})
    if model is not None:
        actor = _untrained(model, config, loading)
        name = f"{model}, {'random weights' if _random_init(model, config) else 'untrained'}"
        identity = {"model": model, "adapter": None, **_loaded(loading)}
    elif run is not None and config is not None:
        _leave_to_the_run(loading)
        if normalization == "pmi" and config.tuning == "full":
            raise ConfigError(
                "--normalization pmi asks the frozen model, and a run with --tuning full has changed all of it. Choose "
                "another."
            )
        actor = Agent.load(run, checkpoint or "last").actor
        name = f"{config.model}, trained"
        folder = RunDirectory.open(run).checkpoint(checkpoint or "last")
        learned = sha256(folder / LEARNED[config.tuning])
        identity = {"model": config.model, "run": str(run), "checkpoint": folder.name, "adapter": learned}
        identity |= {"tuning": "full"} if config.tuning == "full" else {}
    else:
        raise ConfigError(
            "there is nobody to evaluate: give a run directory, or --model hearth for the untrained model, "
            "or --policy random, planner or saycan."
        )
    actor.normalization = normalization or actor.normalization
    identity |= _random_init(identity["model"], config)
    identity = {"policy": "model", **identity, "normalization": actor.normalization, "greedy": greedy}
    return Subject(name, Sampled(actor, greedy), env, env_kwargs, identity)


def _saycan(
    actor: Actor, env: str, env_kwargs: dict[str, Any], decisions: int | None, seed: int | None, *, greedy: bool
) -> Subject:
    """An untrained model with an affordance learnt from random play in the same world."""
    decisions = AFFORDANCE_DECISIONS if decisions is None else decisions
    seed = 1 if seed is None else seed
    require_at_least("affordance-decisions", decisions, 4)
    require_at_least("affordance-seed", seed, 0)
    affordance = Affordance(env, seed=seed, env_kwargs=env_kwargs)
    experience = random_experience(env, decisions, seed, env_kwargs=env_kwargs)
    affordance.fit(experience)
    identity = {
        "policy": "saycan",
        "normalization": actor.normalization,
        "greedy": greedy,
        "affordance": {
            "learnt_from": "random play",
            "decisions": experience.decisions,
            "in_finished_episodes": len(experience.targets),
            "seed": seed,
        },
    }
    return Subject("SayCan", SayCan(actor, affordance, greedy), env, env_kwargs, identity)


def _untrained(model: str, config: TrainConfig | None, loading: ModelOptions) -> Actor:
    """A model by its name; with the settings of a run, if there is one, so that the two can be compared."""
    if config is None:
        return Actor(loading.scorer(model))
    if models.same(config.model, model):
        _leave_to_the_run(loading)
        scorer = load_scorer(config)
    else:
        scorer = loading.scorer(model)
    return Actor(scorer, config.normalization, config.context_free_prompt)


def _loaded(loading: ModelOptions) -> dict[str, Any]:
    """What has to be said of how a model was loaded, where it was not as by default."""
    return {"loading": loading.given()} if loading.given() else {}


def _random_init(model: str, config: TrainConfig | None) -> dict[str, bool]:
    """What has to be said of a model whose weights the run drew at random."""
    drawn = config is not None and config.random_init and models.same(config.model, model)
    return {"random_init": True} if drawn else {}


def _leave_to_the_run(loading: ModelOptions) -> None:
    if loading.given():
        raise ConfigError(
            f"{_named(loading.flags())} nothing here: a run loads its model with its own settings, in its config.json."
        )


def _named(flags: list[str]) -> str:
    """The subject of a sentence, with its verb."""
    return f"{', '.join(flags)} {'means' if len(flags) == 1 else 'mean'}"
