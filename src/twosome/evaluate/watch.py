"""Recording episodes for `twosome watch`: what two policies make of each situation, and where each of them leads."""

import base64
import io
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twosome.algorithms import has_critic
from twosome.config import TrainConfig, of_world, world_name
from twosome.decision import Decision
from twosome.envs import text
from twosome.evaluate.evaluator import Evaluator, evaluator_for
from twosome.evaluate.record import can_be_filmed
from twosome.evaluate.request import OTHERS
from twosome.observation import Observation
from twosome.play import play
from twosome.policy.base import checked_probabilities, sample
from twosome.policy.critic import Critic
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.tuning import fresh_value_head, frozen_features
from twosome.ppo.checkpoint import load_critic
from twosome.report.checks import checked_metrics
from twosome.runs import RunDirectory
from twosome.trust import read_settings

MOST_STEPS = 60
"""Decisions of an episode that are kept."""
PICTURE_BYTES = 1_100_000
"""Of all pictures together, before they are written as text, which takes a third more: the page stays below 2 MB."""
_WIDEST = 560
CURVES = ("return_mean", "success_rate", "entropy_share", "approx_kl", "explained_variance", "temperature")
"""Metrics that are drawn."""
_POINTS = 400


def players_of(run: Path, against: str, checkpoint: str, env: str | None = None) -> dict[str, Evaluator]:
    """The policy of a run and the one that is shown beside it, by their names on the page.

    Args:
        run: the run's directory.
        against: one of `OTHERS`, or another checkpoint of the run.
        checkpoint: of the run.
        env: where they play; None: in the run's environment, of several the first.

    Raises:
        RunError: there is no such run.
        CheckpointError: there is no such checkpoint, or it is damaged.
        EnvError: the environment has no planner.
    """
    if against == "untrained":
        other = evaluator_for(run=run, env=env, model=read_settings(RunDirectory.open(run)).model)
    elif against in OTHERS:
        other = evaluator_for(run=run, env=env, policy=against)
    else:
        other = evaluator_for(run=run, env=env, checkpoint=against)
    trained = evaluator_for(run=run, env=env, checkpoint=checkpoint)
    return {"trained": trained, against if against in OTHERS else f"checkpoint {against}": other}


def watched(
    run: Path, players: Mapping[str, Evaluator], *, checkpoint: str = "last", episodes: int = 2, seed: int = 1000
) -> dict[str, Any]:
    """Let two policies play in a run's environment, and keep what each makes of every situation.

    Args:
        run: the run's directory.
        players: two by their names, that of the run first.
        checkpoint: the one whose critic judges the situations.
        episodes: of each of the two.
        seed: episode ``i`` is reset with ``seed + i``.

    Returns:
        Plain JSON: ``players``, ``episodes`` with their ``steps``, ``pictures``, ``curves``, ``warnings``.

    Raises:
        CheckpointError: the critic is damaged.
        EnvError: the environment fails.
    """
    directory = RunDirectory.open(run)
    config = read_settings(directory)
    metrics = checked_metrics(directory)
    trained, other = players.values()
    if config.more_envs and (world := world_name(text.resolve(trained.env))) in config.worlds:
        metrics = [of_world(row, world) for row in metrics]
    critic = critic_of(config, directory.checkpoint(checkpoint), trained)
    recorder = _Recorder(trained.env, trained.env_kwargs, [trained, other], critic)
    made = [recorder.episode(player, seed + i) for i in range(episodes) for player in (0, 1)]
    return {
        "run": directory.path.name,
        "env": trained.env,
        "model": config.model,
        "players": [{"name": name, "says": says(evaluator)} for name, evaluator in players.items()],
        "episodes": made,
        "pictures": recorder.pictures,
        "pictures_left_out": recorder.left_out,
        **progress_of(metrics),
    }


def progress_of(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    """How far a run has come: ``decisions``, ``curves``, ``warnings``."""
    return {
        "decisions": metrics[-1]["decisions"] if metrics else 0,
        "curves": _curves(metrics),
        "warnings": [
            {"code": code, "decisions": row["decisions"]} for row in metrics for code in row.get("warnings") or []
        ],
    }


def says(evaluator: Evaluator) -> str:
    """What is known of a player, in a line."""
    known = {
        name: evaluator.identity.get(name) for name in ("checkpoint", "normalization", "temperature", "prior_weight")
    }
    parts = [
        f"{name.replace('_', ' ')} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in known.items()
        if value is not None
    ]
    return ", ".join(parts or [evaluator.name])


def critic_of(config: TrainConfig, checkpoint: Path, trained: Evaluator) -> Critic | None:
    """The critic of a checkpoint; None where none was trained."""
    if not has_critic(config.algorithm) or not isinstance(trained.policy, LanguageModelPolicy):
        return None
    frozen = trained.policy.frozen
    centered = config.critic_features == "centered"
    head = fresh_value_head(frozen, config.context_free_prompt, config.seed, centered=centered)
    critic = Critic(head, lambda states: frozen_features(frozen, states))
    load_critic(critic, checkpoint, frozen.device)
    return critic


def _curves(metrics: list[dict[str, Any]]) -> dict[str, Any]:
    every = max(1, -(-len(metrics) // _POINTS))
    rows = [row for i, row in enumerate(metrics) if i % every == 0 or i == len(metrics) - 1]
    drawn = {name: [row.get(name) for row in rows] for name in CURVES}
    return {
        "decisions": [row["decisions"] for row in rows],
        **{name: values for name, values in drawn.items() if any(value is not None for value in values)},
    }


@dataclass
class _Recorder:
    env: str
    env_kwargs: Mapping[str, Any]
    players: list[Evaluator]
    critic: Critic | None
    pictures: list[str] = field(default_factory=list)
    left_out: int = 0
    _known: dict[bytes, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._drawn = can_be_filmed(self.env, dict(self.env_kwargs))

    def episode(self, number: int, seed: int) -> dict[str, Any]:
        """An episode of one of the players, and what the other would have done in its place."""
        player, other = self.players[number], self.players[1 - number]
        beside: list[NDArray[np.float64]] = []

        def choose(observation: Observation, row: NDArray[np.float64], rng: np.random.Generator) -> int:
            beside.append(checked_probabilities(other.policy, [observation])[0])
            return sample(row, rng)

        drawn = {"render_mode": "rgb_array"} if self._drawn else {}
        with text.make_checked(self.env, **self.env_kwargs, **drawn) as environment:
            played = play(player.policy, environment, [seed], choose=choose, pictures=self._drawn)
            transitions = list(itertools.islice(played, MOST_STEPS))
            last = self._picture(environment.render() if self._drawn else None)
        decisions = [transition.decision for transition in transitions]
        tokens = [tokens_of(evaluator, decisions) for evaluator in self.players]
        steps = []
        for i, transition in enumerate(transitions):
            rows = [transition.probabilities, beside[i]]
            rows = rows if number == 0 else rows[::-1]
            steps.append(
                {
                    "prompt": transition.decision.prompt,
                    "picture": self._picture(transition.picture),
                    "value": None if self.critic is None else float(self.critic.values([transition.decision.prompt])),
                    "action": transition.action,
                    "reward": transition.reward,
                    "primitive_steps": transition.primitive_steps,
                    "earned": transition.earned,
                    "actions": actions_of(
                        transition.decision, rows, [None if table is None else table[i] for table in tokens]
                    ),
                }
            )
        end = transitions[-1].episode
        return {
            "player": number,
            "seed": seed,
            "steps": steps,
            "last_picture": last,
            "return": None if end is None else end.discounted_return,
            "success": None if end is None else end.success,
        }

    def _picture(self, image: NDArray[np.uint8] | None) -> int | None:
        """Its number among the pictures; equal ones are kept once."""
        if image is None:
            return None
        content = png(image)
        if content not in self._known:
            if sum(map(len, self._known)) + len(content) > PICTURE_BYTES:
                self.left_out += 1
                return None
            self._known[content] = len(self.pictures)
            self.pictures.append(as_address(content))
        return self._known[content]


def actions_of(
    decision: Decision, rows: Sequence[NDArray[np.float64]], tokens: Sequence[list[list[Any]] | None]
) -> list[dict[str, Any]]:
    """The available actions of a decision, with what each player makes of them.

    Args:
        decision: the decision.
        rows: the players' probabilities.
        tokens: the players' tokens of each phrase, by action id; None: it has no language model.
    """
    return [
        {
            "id": action,
            "phrase": decision.actions[action],
            "p": [round(float(row[action]), 6) for row in rows],
            "tokens": [None if table is None else table[action] for table in tokens],
        }
        for action in decision.available
    ]


def tokens_of(evaluator: Evaluator, decisions: Sequence[Decision]) -> list[list[list[Any]]] | None:
    """Tokens and log-probabilities of each phrase, by decision and action id; None without a language model."""
    if not isinstance(evaluator.policy, LanguageModelPolicy):
        return None
    distinct = list(dict.fromkeys(decisions))
    tables = dict(zip(distinct, evaluator.policy.scorer.token_log_probs(distinct), strict=True))
    return [
        [[[token, round(logp, 3)] for token, logp in action] for action in tables[decision]] for decision in decisions
    ]


def as_address(content: bytes) -> str:
    """A picture as the address of itself."""
    return "data:image/png;base64," + base64.b64encode(content).decode()


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture of few colors, no wider than the page shows it."""
    picture = Image.fromarray(image)
    if picture.width > _WIDEST:
        picture = picture.resize((_WIDEST, max(1, picture.height * _WIDEST // picture.width)))
    file = io.BytesIO()
    picture.convert("RGB").quantize(colors=64, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    return file.getvalue()
