"""A trained policy that plays the others in a game: frozen, loaded once for each process, known by a hash.

An environment imports this when it is made with such an opponent, and by its name: without one, environments need no
PyTorch.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.files import sha256
from twosome.observation import Observation
from twosome.policy.base import Policy, checked_probabilities
from twosome.policy.loading import load_policy
from twosome.run_files import explain_read_errors
from twosome.runs import AGENT, MANIFEST, RunDirectory, saved_folder

_LOADED = 4
"""Of the latest opponents, how many are kept for the next environment that is made with one of them."""


class Opponent:
    """A policy as it was when it was loaded. Threads may share it: one of them asks at a time.

    Args:
        policy: who plays.
        settings: those that it was trained with.
        digest: SHA-256 of the file that has the hashes of all that decides how it plays.
    """

    def __init__(self, policy: Policy, settings: TrainConfig, digest: str) -> None:
        self.env: str = settings.env
        self.env_kwargs: dict[str, Any] = settings.env_kwargs
        self.digest = digest
        self._policy = policy
        self._threads = settings.threads
        self._lock = threading.Lock()

    def probabilities(self, prompt: str, phrases: Sequence[str]) -> NDArray[np.float64]:
        """One for each phrase, to the bit the same in whichever process it is asked."""
        with self._lock, _threads(self._threads):
            return checked_probabilities(self._policy, [Observation(Decision(prompt, tuple(phrases)))])[0]


def load(path: str) -> Opponent:
    """The policy of a run's last checkpoint, of a saved agent or of an exported folder.

    What it wants to be trusted with, the command line of this process says (`twosome.trust.granted`).

    Raises:
        RunError: there is no such folder, it wants to run code, or its settings, metrics or model have changed.
        CheckpointError: there is no checkpoint, or it is damaged.
    """
    place = Path(os.path.abspath(os.path.expanduser(path)))
    folder = saved_folder(place)
    hashes = RunDirectory.open(place).checkpoint() / MANIFEST if folder is None else folder / AGENT
    with explain_read_errors(hashes):
        digest = sha256(hashes)
    return _load(place, digest)


@lru_cache(maxsize=_LOADED)
def _load(place: Path, digest: str) -> Opponent:
    policy, settings, _ = load_policy(place)
    return Opponent(policy, settings, digest)


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with so many threads meanwhile: another number may change the last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
