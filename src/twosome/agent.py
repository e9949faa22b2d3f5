"""An agent: a policy that is ready to act, to be measured and to be kept.

::

    agent = twosome.Agent.load("runs/TomatoSalad-1")
    action = agent.act(observation)
    agent.evaluate("TomatoSalad", episodes=100).summary()
"""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import gymnasium
import numpy as np
from numpy.typing import NDArray

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import CheckedEnv, Fits, limit_prompts
from twosome.errors import ConfigError, quote
from twosome.evaluate.success import Evaluation, evaluate
from twosome.observation import Observation
from twosome.play import Transition, draw, most_probable, play
from twosome.policy.base import Policy, checked_probabilities, require_policy, sample
from twosome.policy.calibration import Calibration
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.loading import load_policy, load_scorer, save_policy
from twosome.rollout import random_decisions
from twosome.setting_types import DType, Normalization, PromptFormat, Quantization, require_at_least

Observed = Observation | Decision | Mapping[str, Any]
"""What an agent takes for an observation: the one of an environment as it is, a dict, or a decision made up."""


class Agent:
    """Acts with a policy: a language model's, or any other.

    An observation in, an action out; a list in, a list out. Threads may share an agent: one of them asks the policy at
    a time. What the agent remembers is bounded.

    Args:
        policy: who acts.
        seed: of the draws that `act` makes.
        settings: those of the language model, so that `save` can write them.
        origin: where the policy comes from, for messages.
    """

    def __init__(self, policy: Policy, *, seed: int = 0, settings: TrainConfig | None = None, origin: str = "") -> None:
        self.policy = require_policy(policy)
        self.settings = settings
        self._origin = origin
        self._rng = np.random.default_rng(seed)
        self._lock = threading.RLock()

    # -- making, keeping -------------------------------------------------------------------------------

    @classmethod
    def from_pretrained(
        cls,
        model: str = "hearth",
        *,
        normalization: Normalization = "word",
        env: str | Callable[[], gymnasium.Env[Any, Any]] | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        quantization: Quantization = None,
        prompt_format: PromptFormat = "plain",
        trust_remote_code: bool = False,
        seed: int = 0,
    ) -> "Agent":
        """The agent that a language model is before any training.

        Args:
            model: the embedded "hearth", a Hugging Face id, or a folder.
            normalization: what the scores of the phrases are divided by; see `twosome.TrainConfig`.
            env: read by ``"learned"`` alone: the environment whose decisions the temperature is set for, by its name
                or by what makes it.
            dtype: precision of the model; auto: float32 on a CPU, bfloat16 on a GPU that has it.
            device: where the model runs; auto: a GPU if there is one.
            quantization: load the model in fewer bits.
            prompt_format: plain, or chat: through the tokenizer's chat template.
            trust_remote_code: run Python code that comes with the model.
            seed: of the draws that `act` makes.

        Raises:
            ModelError: there is no such model, or it cannot be used.
            ConfigError: an argument is out of range, or ``"learned"`` comes without an environment.
        """
        settings = TrainConfig(
            model=model,
            normalization=normalization,
            dtype=dtype,
            device=device,
            quantization=quantization,
            prompt_format=prompt_format,
            trust_remote_code=trust_remote_code,
        )
        if (normalization == "learned") != (env is not None):
            raise ConfigError(
                f"normalization is {normalization!r} and env {quote(env)}; expected an environment with 'learned', "
                "which sets its temperature there, and none with the others."
            )
        calibration = Calibration(settings.prior_weight)
        actor = LanguageModelPolicy(load_scorer(settings), normalization, settings.context_free_prompt, calibration)
        if env is not None:

            def make() -> gymnasium.Env[Any, Any]:
                return limit_prompts(text.make(env) if isinstance(env, str) else env(), actor.fits)

            actor.calibrate(random_decisions(make, settings.seed), settings.target_entropy)
        return cls(actor, seed=seed, settings=settings, origin="untrained")

    @classmethod
    def load(
        cls,
        path: str | Path,
        checkpoint: str = "last",
        *,
        device: str | None = None,
        seed: int = 0,
        trust_remote_code: bool = False,
        allow_other_model: bool = False,
    ) -> "Agent":
        """The agent of a run directory, or one that `save` or `twosome export` wrote.

        Args:
            path: the directory that `twosome train`, `save` or `twosome export` wrote.
            checkpoint: of a run: ``"last"``, ``"best"`` or the name of a folder below ``checkpoints/``.
            device: where to put the model; None: where it was trained.
            seed: of the draws that `act` makes.
            trust_remote_code: run Python code that comes with the model, if the run was trained so.
            allow_other_model: take the model as it is now, also if it is not the one that the run was trained on.

        Raises:
            RunError: there is no such run, it wants to run code, or its settings, metrics or model have changed.
            CheckpointError: there is no such checkpoint, or it is damaged.
        """
        consent = {"trust_remote_code": trust_remote_code, "allow_other_model": allow_other_model}
        actor, settings, folder = load_policy(Path(path), checkpoint, device=device, **consent)
        return cls(actor, seed=seed, settings=settings, origin=str(folder))

    def save(self, path: str | Path) -> Path:
        """Write what `load` reads: settings, and what was trained, in a new or empty folder.

        The language model that adapters were trained on is not copied: it is named, with the hashes of its files.

        Returns:
            The folder.

        Raises:
            ConfigError: the policy is no language model's.
            RunError: the folder holds something already, or cannot be written.
        """
        if self.settings is None:
            raise ConfigError(
                f"{self} cannot be saved: expected an agent of Agent.load or Agent.from_pretrained, whose settings "
                "are known. Make another policy again where it is needed."
            )
        with self._lock:
            return save_policy(self.actor, self.settings, Path(path))

    # -- acting ----------------------------------------------------------------------------------------

    @overload
    def probabilities(self, observations: Observed) -> NDArray[np.float64]: ...

    @overload
    def probabilities(self, observations: Sequence[Observed]) -> list[NDArray[np.float64]]: ...

    def probabilities(
        self, observations: Observed | Sequence[Observed]
    ) -> NDArray[np.float64] | list[NDArray[np.float64]]:
        """The policy: a probability for each action id, zero where an action is not available.

        Args:
            observations: one, or several in a list. That of a vector environment counts as several.

        Raises:
            ConfigError: it is no observation.
        """
        asked, is_one = _read(observations)
        with self._lock:
            rows = [row.copy() for row in checked_probabilities(self.policy, asked)]
        return rows[0] if is_one else rows

    @overload
    def act(self, observations: Observed, *, deterministic: bool = False, greedy: bool = False) -> int: ...

    @overload
    def act(
        self, observations: Sequence[Observed], *, deterministic: bool = False, greedy: bool = False
    ) -> list[int]: ...

    def act(
        self, observations: Observed | Sequence[Observed], *, deterministic: bool = False, greedy: bool = False
    ) -> int | list[int]:
        """An action id, drawn from the policy.

        Args:
            observations: one, or several in a list. That of a vector environment counts as several.
            deterministic: take the most probable action in place of drawing.
            greedy: the same, by its earlier name.

        Raises:
            ConfigError: it is no observation.
        """
        asked, is_one = _read(observations)
        with self._lock:
            rows = checked_probabilities(self.policy, asked)
            actions = [int(np.argmax(row)) if deterministic or greedy else sample(row, self._rng) for row in rows]
        return actions[0] if is_one else actions

    # -- playing ---------------------------------------------------------------------------------------

    def evaluate(
        self,
        env: text.EnvLike,
        episodes: int = 100,
        *,
        seed: int = 0,
        deterministic: bool = False,
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> Evaluation:
        """Return and success over fresh episodes, as `twosome eval` measures them.

        Args:
            env: the environment's name, the environment, or what makes it.
            episodes: how many.
            seed: episode ``i`` is reset with ``seed + i``. What is drawn does not depend on what `act` has drawn.
            deterministic: take the most probable action in place of drawing.
            env_kwargs: arguments of the environment, if it is given by its name.

        Raises:
            ConfigError: an argument is out of range.
            EnvError: the environment fails or breaks its contract.
        """
        return evaluate(
            self,
            env,
            dict(env_kwargs or {}),
            greedy=deterministic,
            episodes=episodes,
            seed=seed,
            parallel=1 if isinstance(env, gymnasium.Env | CheckedEnv) else 16,
        )

    def play(
        self,
        env: text.EnvLike,
        episodes: int = 1,
        *,
        seed: int = 0,
        deterministic: bool = False,
        pictures: bool = False,
        env_kwargs: Mapping[str, Any] | None = None,
    ) -> Iterator[Transition]:
        """Play, one transition after the other.

        Args:
            env: the environment's name, the environment, or what makes it.
            episodes: how many.
            seed: episode ``i`` is reset with ``seed + i``. What is drawn does not depend on what `act` has drawn.
            deterministic: take the most probable action in place of drawing.
            pictures: let the environment draw itself before each action.
            env_kwargs: arguments of the environment, if it is given by its name.

        Raises:
            ConfigError: an argument is out of range.
            EnvError: the environment fails or breaks its contract.
        """
        require_at_least("episodes", episodes, 1)
        return play(
            self,
            env,
            range(seed, seed + episodes),
            env_kwargs=env_kwargs,
            choose=most_probable if deterministic else draw,
            pictures=pictures,
        )

    def distribution(self, decision: Observed) -> NDArray[np.float64]:
        """What `probabilities` gives of one observation, by its earlier name."""
        return self.probabilities(decision)

    @property
    def fits(self) -> Fits | None:
        """Says what the context of the policy's model holds, for environments that tell history; None without one."""
        fits: Fits | None = getattr(self.policy, "fits", None)
        if fits is None:
            return None

        def fits_locked(prompt: str, phrases: Sequence[str]) -> bool:
            with self._lock:
                return fits(prompt, phrases)

        return fits_locked

    @property
    def actor(self) -> LanguageModelPolicy:
        """The language model's policy.

        Raises:
            ConfigError: the policy is another one.
        """
        if not isinstance(self.policy, LanguageModelPolicy):
            raise ConfigError(
                f"{self} has no language model: expected an agent of Agent.load or Agent.from_pretrained."
            )
        return self.policy

    def __repr__(self) -> str:
        if not isinstance(self.policy, LanguageModelPolicy):
            return f"Agent({type(self.policy).__name__})"
        scorer, dtype = self.policy.scorer, str(self.policy.scorer.model.dtype).removeprefix("torch.")
        origin = f", {self._origin}" if self._origin else ""
        return (
            f"Agent({scorer.name!r}{origin}, normalization={self.policy.normalization!r}, {dtype} on {scorer.device})"
        )


def _read(observations: Observed | Sequence[Observed]) -> tuple[list[Observation], bool]:
    """What was asked about, as a list, and whether it was one observation alone."""
    if isinstance(observations, Mapping) and not isinstance(observations.get("prompt", ""), str):
        decisions = text.decisions_from(observations, len(observations["prompt"]))
        vectors = observations.get("vector", [None] * len(decisions))
        return [Observation(decision, vector) for decision, vector in zip(decisions, vectors, strict=True)], False
    if isinstance(observations, list | tuple):
        return [_observation(observation) for observation in observations], False
    return [_observation(observations)], True  # type: ignore[arg-type]


def _observation(observed: Observed) -> Observation:
    if isinstance(observed, Observation):
        return observed
    if isinstance(observed, Decision):
        return Observation(observed)
    if isinstance(observed, Mapping) and {"prompt", "actions"} <= observed.keys():
        return Observation(text.decision_from(observed), observed.get("vector"))
    raise ConfigError(
        f'an observation is {quote(observed)}; expected what an environment returns, a dict with "prompt" and '
        '"actions", or a twosome.Decision, or a list of these. Of what reset and step return it is the first part.'
    )
