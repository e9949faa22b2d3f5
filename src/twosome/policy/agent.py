"""A trained policy, ready to act: what `twosome.Agent.load` gives."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.opening import Consent, granted, open_checkpoint, read_settings
from twosome.policy.actor import Actor
from twosome.policy.base import sample
from twosome.policy.calibration import Calibration, load_calibration
from twosome.policy.fingerprint import require_same_model
from twosome.policy.tuning import load_tuned, randomize
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer


def require_recorded_model(state: dict[str, Any], config: TrainConfig, *, allow_other_model: bool = False) -> None:
    """Check that the model of a run is the one that a checkpoint's state.json has the hashes of, if it has.

    Raises:
        RunError: it is another, and neither the caller nor the command line allows one.
    """
    if recorded := state.get("model_files"):
        require_same_model(recorded, config, allow_other=allow_other_model or granted().allow_other_model)


class Agent:
    """Chooses actions with a language model.

    Args:
        actor: the policy.
        seed: of the draws that `act` makes.
    """

    def __init__(self, actor: Actor, seed: int = 0) -> None:
        self.actor = actor
        self._rng = np.random.default_rng(seed)

    @classmethod
    def load(
        cls,
        run: str | Path,
        checkpoint: str = "last",
        *,
        device: str | None = None,
        seed: int = 0,
        trust_remote_code: bool = False,
        allow_other_model: bool = False,
    ) -> "Agent":
        """The agent of a run directory.

        Args:
            run: the directory that `twosome train` wrote.
            checkpoint: ``"last"``, ``"best"`` or the name of a folder below ``checkpoints/``.
            device: where to put the model; None: where it was trained.
            seed: of the draws that `act` makes.
            trust_remote_code: run Python code that comes with the model, if the run was trained so.
            allow_other_model: take the model as it is now, also if it is not the one that the run was trained on.

        Raises:
            RunError: there is no such run, it wants to run code, or its settings, metrics or model have changed.
            CheckpointError: there is no such checkpoint, or it is damaged.
        """
        directory = RunDirectory.open(Path(run))
        config = read_settings(directory, Consent(trust_remote_code=trust_remote_code), plays=False)
        folder, state = open_checkpoint(directory, checkpoint, config)
        require_recorded_model(state, config, allow_other_model=allow_other_model)
        scorer = load_scorer(config, device=device)
        # Loading the weights of a whole model puts another model into the scorer.
        frozen = copy.copy(scorer) if config.asks_frozen_model and config.tuning == "full" else None
        load_tuned(scorer, config, folder, trainable=False)
        calibration = Calibration()
        if config.normalization == "learned":
            load_calibration(calibration, folder)
        return cls(Actor(scorer, config.normalization, config.context_free_prompt, calibration, frozen), seed)

    def distribution(self, decision: Decision) -> NDArray[np.float64]:
        """Probability of each action id; zero where an action is not available."""
        return self.actor.probabilities([decision])[0]

    def act(self, decision: Decision, *, greedy: bool = False) -> int:
        """An action id: drawn from the policy, or its most probable action."""
        probabilities = self.distribution(decision)
        return int(np.argmax(probabilities)) if greedy else sample(probabilities, self._rng)


def load_scorer(config: TrainConfig, device: str | None = None) -> ActionScorer:
    """The language model that a run's settings name, before any training."""
    scorer = ActionScorer.from_pretrained(
        config.model,
        dtype=config.dtype,
        device=device or config.device,
        quantization=config.quantization,
        trust_remote_code=config.trust_remote_code,
        prompt_format=config.prompt_format,
        max_tokens_per_forward=config.max_tokens_per_forward,
    )
    if config.random_init:
        randomize(scorer, config.seed)
    return scorer
