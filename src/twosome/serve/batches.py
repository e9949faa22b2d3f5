"""Scoring together what is asked at once, in one thread beside the server's."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from twosome.decision import Decision
from twosome.errors import DivergedError, TwosomeError, quote
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.scoring.cache import BoundedCache

TOGETHER = 64
"""Most decisions of a batch."""
_CACHED_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Scores:
    """What the model makes of a decision, one number for each action id."""

    log_prob: NDArray[np.float64]  # joint log-probability of the phrase after the prompt, in nats; -inf: not available
    probability: NDArray[np.float64]  # the policy
    num_bytes: int  # what the decision and its answer take


class BusyError(Exception):
    """So many wait already that no more are taken."""


class Batches:
    """Asks the policy in one batch about all decisions that wait for it.

    Args:
        actor: the policy.
        most_waiting: decisions that may wait.
    """

    def __init__(self, actor: LanguageModelPolicy, most_waiting: int = 128) -> None:
        self.actor = actor
        self.most_waiting = most_waiting
        self.num_batches = 0
        self.num_decisions = 0
        self._waiting: list[tuple[Decision, asyncio.Future[Scores]]] = []
        self._thread = ThreadPoolExecutor(1, "scoring")
        self._working: asyncio.Task[None] | None = None
        self._known: BoundedCache[Decision, Scores] = BoundedCache(_CACHED_BYTES, lambda scores: scores.num_bytes)

    @property
    def num_waiting(self) -> int:
        """Decisions that wait for the batch under way to end."""
        return len(self._waiting)

    async def scores(self, decision: Decision) -> Scores:
        """What the model makes of a decision.

        Raises:
            BusyError: too many wait.
            ModelError: the decision cannot be scored.
        """
        if self.num_waiting >= self.most_waiting:
            raise BusyError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Scores] = loop.create_future()
        self._waiting.append((decision, answer))
        if self._working is None:
            self._working = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting[:TOGETHER], self._waiting[TOGETHER:]
            found = await loop.run_in_executor(self._thread, self._score, [decision for decision, _ in batch])
            for decision, answer in batch:
                scores = found[decision]
                if answer.done():  # whoever asked has gone
                    continue
                if isinstance(scores, Exception):
                    answer.set_exception(scores)
                else:
                    answer.set_result(scores)
            self.num_batches += 1
            self.num_decisions += len(batch)
        self._working = None

    def _score(self, decisions: Sequence[Decision]) -> dict[Decision, Scores | Exception]:
        found: dict[Decision, Scores | Exception] = {}
        missing = []
        for decision in dict.fromkeys(decisions):
            known = self._known.find(decision)
            if known is None:
                missing.append(decision)
            else:
                found[decision] = known
        return found | self._computed(missing)

    def _computed(self, decisions: list[Decision]) -> dict[Decision, Scores | Exception]:
        """What the model makes of some decisions; one that it cannot score spoils no other."""
        if not decisions:
            return {}
        try:
            with torch.no_grad():
                scored, log_policy = self.actor.scored_policy(decisions)
            log_probs, rows = scored.logp.cpu().double().numpy(), log_policy.cpu().double().exp().numpy()
        except Exception as error:  # it answers whoever asked, and the next ones are not theirs
            if len(decisions) == 1:
                return {decisions[0]: error}
            half = len(decisions) // 2
            return self._computed(decisions[:half]) | self._computed(decisions[half:])
        return {
            decision: self._kept(decision, log_prob[: len(decision.actions)], row[: len(decision.actions)])
            for decision, log_prob, row in zip(decisions, log_probs, rows, strict=True)
        }

    def _kept(
        self, decision: Decision, log_prob: NDArray[np.float64], row: NDArray[np.float64]
    ) -> Scores | TwosomeError:
        if not np.isfinite(row).all():
            return DivergedError(
                f"the model gives no number for the actions after the prompt {quote(decision.prompt)}: its weights or "
                "its precision have overflowed."
            )
        # A character takes up to four bytes, and each object some fifty more.
        characters = len(decision.prompt) + sum(map(len, decision.actions))
        size = 4 * characters + 70 * len(decision.actions) + 500
        return self._known.put(decision, Scores(log_prob.copy(), row / row.sum(), size))
