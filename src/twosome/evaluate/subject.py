"""What can be evaluated: a run, an untrained model, a baseline. Each says exactly what it is."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from twosome.baselines import Planner, Uniform
from twosome.config import TrainConfig
from twosome.envs import text
from twosome.errors import ConfigError
from twosome.evaluate.success import Evaluation, Player, Sampled, evaluate
from twosome.policy.actor import Actor
from twosome.policy.agent import Agent, load_scorer
from twosome.runs import RunDirectory, sha256
from twosome.scoring import ActionScorer
from twosome.versions import versions


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
        _, gamma = id_and_gamma(self.env, self.env_kwargs)
        return evaluate(self.player, self.env, self.env_kwargs, gamma=gamma, episodes=episodes, seed=seed)

    def measure(self, episodes: int, seed: int) -> dict[str, Any]:
        """Play fresh episodes; the result as plain JSON, with all that is needed to repeat it."""
        env_id, gamma = id_and_gamma(self.env, self.env_kwargs)
        return {
            "env": env_id,
            "env_kwargs": self.env_kwargs,
            **self.play(episodes, seed).summary(),
            "gamma": gamma,
            "seed": seed,
            **self.identity,
            "versions": versions(),
        }


def id_and_gamma(env: str, env_kwargs: dict[str, Any]) -> tuple[str, float]:
    """A world's full id, and the discount per primitive step of the return that is reported for it."""
    world = text.make(env, **env_kwargs)
    spec, gamma = world.spec, getattr(world.unwrapped, "gamma", 0.99)
    world.close()
    return (spec.id if spec else env), float(gamma)


def subject_of(
    *,
    run: Path | None = None,
    model: str | None = None,
    policy: str = "model",
    env: str | None = None,
    env_kwargs: dict[str, Any] | None = None,
    checkpoint: str = "last",
    normalization: Any = None,
    greedy: bool = False,
    threads: int = 1,
) -> Subject:
    """Who is meant by the options of `twosome eval`.

    Raises:
        ConfigError: the options contradict each other or name nobody.
    """
    torch.set_num_threads(threads)
    config = None if run is None else TrainConfig.from_json(RunDirectory.open(run).read_config())
    if env is None:
        env = "TomatoSalad" if config is None else config.env
        env_kwargs = env_kwargs or ({} if config is None else config.env_kwargs)
    env_kwargs = env_kwargs or {}
    text.make(env, **env_kwargs).close()
    if policy == "random":
        return Subject("random", Sampled(Uniform()), env, env_kwargs, {"policy": "random"})
    if policy == "planner":
        return Subject("optimal planner", Planner(), env, env_kwargs, {"policy": "planner"})
    if model is not None:
        chosen = normalization or (config.normalization if config else "word")
        # The model of a run is compared with itself: loaded and prompted as the run does.
        if config is not None and config.model == model:
            actor = Actor(load_scorer(config), chosen, config.context_free_prompt)
        else:
            actor = Actor(ActionScorer.from_pretrained(model), chosen)
        identity = {"policy": "model", "model": model, "adapter": None, "normalization": chosen, "greedy": greedy}
        return Subject(f"{model}, untrained", Sampled(actor, greedy), env, env_kwargs, identity)
    if run is None or config is None:
        raise ConfigError(
            "there is nobody to evaluate: give a run directory, or --model hearth for the untrained model, "
            "or --policy random or planner."
        )
    agent = Agent.load(run, checkpoint)
    agent.actor.normalization = normalization or config.normalization
    folder = RunDirectory.open(run).checkpoint(checkpoint)
    identity = {
        "policy": "model",
        "model": config.model,
        "run": str(run),
        "checkpoint": folder.name,
        "adapter": sha256(folder / "adapter_model.safetensors"),
        "normalization": agent.actor.normalization,
        "greedy": greedy,
    }
    return Subject(f"{config.model}, trained", Sampled(agent.actor, greedy), env, env_kwargs, identity)
