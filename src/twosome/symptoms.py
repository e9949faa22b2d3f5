"""What in a run's metrics says that it will not learn, why, and what to do about it.

Everything follows from the rows of metrics.jsonl, in order: a resumed run reads the rows that are there, and goes on
as if it had never stopped. docs/troubleshooting.md has a section for each code.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PAGE = "docs/troubleshooting.md"

TITLES = {
    "deterministic-start": "the policy began nearly deterministic",
    "decisions-alike": "nearly all decisions are the same one",
    "no-reward": "no reward has come yet",
    "reward-stopped": "rewards have stopped",
    "kl-zero": "updates do not move the policy",
    "entropy-collapsed": "the policy has become nearly deterministic without success",
    "below-random": "the return stays below that of random play",
    "critic-blind": "the critic explains nothing",
}
"""What each code says, in a few words."""

DETERMINISTIC = 0.15
"""Share of the greatest entropy. Of environments that were tried untrained, those below it (.03, .05, .14) never
learned, and those that learned began above it (.5 to .9)."""

COLLAPSED = 0.05
"""Share of the greatest entropy: of three actions the best one has then about 99 %."""

GOOD_SUCCESS_RATE = 0.5
"""Success rate from which on a policy may be sure, and stand still: what it does works."""

VERY_WELL = 0.9
"""Success rate from which on a policy may have stopped trying: below it there is something left to find."""

FEW_EPISODES = 60
"""Without a reward in so many episodes, one comes in fewer than 5 % of them (95 % confidence: the rule of three)."""

LONG_DECISIONS = 2_560
"""As long, where episodes are: a quarter of the shortest budget of the presets."""

LONG_UPDATES = 20
"""Updates in which what has been so in each of them is no accident, though single ones say little."""

SOME_UPDATES = 10
"""The same for what says more."""

MANY_EPISODES = 100
"""Without a reward in so many episodes, one comes in fewer than 3 % of them: for a policy that has met some, a loss."""

COMPARED_EPISODES = 40
"""Episodes that have ended when random play is compared with: enough for a mean, and early in the shortest budgets."""

KL_FLOOR = 1e-6
"""An approximate KL below this is rounding in float32, or a learning rate that does nothing; a learning policy has
1e-5 to 1e-2."""

ANNEALED = 0.1
"""Share of the first learning rate below which an update that moves nothing is as it should be."""

SAME_PART = 64
"""One in so many decisions is different, or fewer: one or two in a rollout of 128."""

SAME_ROLLOUTS = 3
"""First rollouts that are looked at for it."""

RANDOM_DECISIONS = 2_000
"""Most decisions of random play to compare with."""

RANDOM_SHARE = 4
"""For so many decisions made so far one is played at random: without a model, so that it costs little."""

RANDOM_EPISODES = 10
"""Fewer episodes of random play than this say too little."""


class TrainingWarning(UserWarning):
    """Something in a run's metrics says that it will not learn."""


@dataclass(frozen=True)
class Symptom:
    """One warning."""

    code: str  # stable; one of `TITLES`
    update: int  # when it began
    reason: str  # what was measured, with the numbers
    remedy: str  # what to do

    def __str__(self) -> str:
        return f"{self.reason} {self.remedy} ({self.code}: {PAGE}#{self.code})"


def random_return(*worlds: Sequence[float]) -> dict[str, Any]:
    """Mean return of episodes of random play and the lower end of its 95 % interval; nothing for too few.

    Of several environments it is the mean of their means.

    Args:
        worlds: returns in each environment.

    >>> random_return([0.0, 1.0] * 8)  # doctest: +ELLIPSIS
    {'random_return_mean': 0.5, 'random_return_low': 0.246...}
    """
    if min(map(len, worlds)) < RANDOM_EPISODES:
        return {}
    mean = statistics.fmean(map(statistics.fmean, worlds))
    half = math.hypot(*(1.96 * statistics.stdev(found) / math.sqrt(len(found)) for found in worlds)) / len(worlds)
    return {"random_return_mean": mean, "random_return_low": mean - half}


class SymptomMonitor:
    """Looks at the metrics of each update, in order, and says once what is wrong.

    Args:
        normalization: of the run; the remedies depend on it.
    """

    def __init__(self, normalization: str) -> None:
        self._learned = normalization == "learned"
        self._said: set[str] = set()
        self._streaks: dict[str, tuple[int, int]] = {}
        self._row: Mapping[str, Any] = {}
        self._decisions = 0
        self._batch = 0
        self._first_lr: float | None = None
        self._first_share: float | None = None
        self._pays = False  # whether a reward above 0 has come
        self._rewarded = False
        self._rewarded_in = (0, 0, 0.0)  # update, decisions and episodes when a reward came last
        self._random: tuple[float, float] | None = None  # mean, and lower end of its interval
        self._asked_for_random = False

    def random_decisions_wanted(self, row: Mapping[str, Any]) -> int:
        """How many decisions of random play these metrics should be compared with; 0 but for one row of a run."""
        if self._asked_for_random or (_number(row, "episodes") or 0) < COMPARED_EPISODES:
            return 0
        return min(RANDOM_DECISIONS, int(_number(row, "decisions") or 0) // RANDOM_SHARE)

    def see(self, row: Mapping[str, Any]) -> list[Symptom]:
        """Take in the metrics of an update; returns what they show for the first time."""
        self._take_in(row)
        found = [
            self._deterministic_start(),
            self._decisions_alike(),
            self._no_reward(),
            self._reward_stopped(),
            self._kl_zero(),
            self._entropy_collapsed(),
            self._below_random(),
            self._critic_blind(),
        ]
        new = [symptom for symptom in found if symptom is not None and symptom.code not in self._said]
        self._said |= {symptom.code for symptom in new}
        return new

    def _take_in(self, row: Mapping[str, Any]) -> None:
        self._row = row
        decisions = self._get("decisions") or 0
        self._batch, self._decisions = int(decisions - self._decisions), int(decisions)
        self._asked_for_random |= (self._get("episodes") or 0) >= COMPARED_EPISODES
        if self._first_lr is None:
            self._first_lr = self._get("actor_lr")
        if self._first_share is None:
            self._first_share = self._get("entropy_share")
        # Where all rewards are costs, and in rows of earlier versions, success alone says that something was reached.
        positive = bool(self._get("rewarded_decisions"))
        self._pays |= positive
        if positive or (not self._pays and self._get("success_rate")):
            self._rewarded = True
            self._rewarded_in = (self._update, self._decisions, self._get("episodes") or 0.0)
        mean, low = self._get("random_return_mean"), self._get("random_return_low")
        if mean is not None and low is not None:
            self._random = (mean, low)

    def _get(self, name: str) -> float | None:
        return _number(self._row, name)

    @property
    def _update(self) -> int:
        return int(self._get("update") or 0)

    @property
    def _succeeds(self) -> bool:
        return (self._get("success_rate") or 0) >= GOOD_SUCCESS_RATE

    def _streak(self, name: str, holds: bool | None) -> tuple[int, int]:
        """The update since which something holds, and for how many by now; an update that leaves it open has None."""
        since, length = self._streaks.get(name, (0, 0))
        if holds is not None:
            self._streaks[name] = (since if length else self._update, length + 1) if holds else (0, 0)
        return self._streaks.get(name, (0, 0))

    # -- one for each code -----------------------------------------------------------------------------

    def _deterministic_start(self) -> Symptom | None:
        share = self._get("entropy_share")
        if self._update != 1 or share is None or share >= DETERMINISTIC or self._succeeds:
            return None
        return Symptom(
            "deterministic-start",
            1,
            f"Over the first {self._batch} decisions the untrained policy's entropy is {share:.1%} of the greatest "
            f"possible (expected at least {DETERMINISTIC:.0%}): it nearly always does the same, and what it never "
            "tries it never learns.",
            "To begin with more entropy, " + self._entropy_remedy,
        )

    @property
    def _entropy_remedy(self) -> str:
        """How to begin with more entropy."""
        if self._learned:
            return "raise --target-entropy, and see with `twosome doctor` how prompts and phrases read."
        return (
            "use --normalization learned, which sets the policy's temperature before training; `twosome doctor` "
            "compares all normalizations."
        )

    def _decisions_alike(self) -> Symptom | None:
        distinct = self._get("distinct_decisions")
        if distinct is None or self._batch < SAME_PART:
            return None
        # An environment of one decision an episode may well pose the same one each time.
        several = self._decisions > 2 * (self._get("episodes") or 0)
        since, length = self._streak(
            "decisions-alike", distinct <= self._batch / SAME_PART and several and not self._succeeds
        )
        if length < SAME_ROLLOUTS:
            return None
        return Symptom(
            "decisions-alike",
            since,
            f"In each of {length} updates at most {distinct:.0f} of {self._batch} decisions were different: either "
            "the prompt does not tell the environment's states apart, or the policy does not get beyond the first "
            "ones.",
            "Say in the prompt what changes; if it is said, and the policy repeats an action that leads nowhere, "
            + self._entropy_remedy,
        )

    def _no_reward(self) -> Symptom | None:
        episodes = self._get("episodes") or 0
        if self._rewarded or (episodes < FEW_EPISODES and self._decisions < LONG_DECISIONS):
            return None
        return Symptom(
            "no-reward",
            1,
            f"No decision has earned a reward above 0 in the first {self._decisions:,} decisions, {episodes:.0f} "
            "episodes: there is nothing to learn from.",
            "Compare `twosome eval --policy random` and `--policy planner` in this environment: can a reward be "
            "reached at all? Then reward parts of the task, begin nearer to the goal, or imitate first "
            "(--warm-start-episodes). For a policy that tries more, "
            + self._entropy_remedy
            + " If the environment's rewards are costs alone, watch return_mean.",
        )

    def _reward_stopped(self) -> Symptom | None:
        update, decisions, episodes = self._rewarded_in
        without, decisions = (self._get("episodes") or 0) - episodes, self._decisions - decisions
        if not self._rewarded or (without < MANY_EPISODES and decisions < 2 * LONG_DECISIONS):
            return None
        return Symptom(
            "reward-stopped",
            update + 1,
            f"Rewards had come until update {update}, and none above 0 in the {without:.0f} episodes since, "
            f"{decisions:,} decisions: the policy has unlearned what it could.",
            "Go back to the best checkpoint (`twosome eval --checkpoint best`), and lower --actor-lr, or raise "
            "--entropy-coef.",
        )

    def _kl_zero(self) -> Symptom | None:
        kl, rate = self._get("approx_kl"), self._get("actor_lr")
        annealed = rate is not None and self._first_lr is not None and rate < ANNEALED * self._first_lr
        since, length = self._streak(
            "kl-zero", None if kl is None or annealed else kl < KL_FLOOR and not self._succeeds
        )
        if length < SOME_UPDATES or kl is None:
            return None
        return Symptom(
            "kl-zero",
            since,
            f"For {length} updates the policy has not moved (approx_kl below {KL_FLOOR:g}, now {kl:.1g}; a policy "
            "that learns has 1e-5 to 1e-2).",
            "If rewards come, raise --actor-lr. If the policy is nearly deterministic "
            f"({_percent(self._get('entropy_share'))} of the greatest entropy), " + self._entropy_remedy,
        )

    def _entropy_collapsed(self) -> Symptom | None:
        share, first = self._get("entropy_share"), self._first_share
        since, length = self._streak(
            "entropy-collapsed",
            None if share is None else share < COLLAPSED and (self._get("success_rate") or 0) < VERY_WELL,
        )
        if length < SOME_UPDATES or share is None or first is None or first < DETERMINISTIC:
            return None
        return Symptom(
            "entropy-collapsed",
            since,
            f"For {length} updates the policy has been nearly deterministic: its entropy is {share:.1%} of the "
            f"greatest possible, from {first:.0%} at the start, and the success rate is "
            f"{_percent(self._get('success_rate'))}.",
            "Raise --entropy-coef, or lower --actor-lr, so that it goes on trying; if the return is at its best, all "
            "is well.",
        )

    def _below_random(self) -> Symptom | None:
        if self._random is None:
            return None
        mean, low = self._random
        reached = self._get("return_mean")
        since, length = self._streak("below-random", reached is not None and reached < low)
        if length < SOME_UPDATES:
            return None
        return Symptom(
            "below-random",
            since,
            f"For {length} updates the mean return of the latest episodes has been below that of random play: "
            f"{reached:.3g} against {mean:.3g} (95 % interval from {low:.3g}). The model's prior leads astray, and "
            "training does not mend it.",
            "See with `twosome doctor` which phrases it prefers and why; " + self._entropy_remedy,
        )

    def _critic_blind(self) -> Symptom | None:
        explained, rewarded = self._get("explained_variance"), self._get("rewarded_decisions")
        blind = None if explained is None or not rewarded else explained <= 0 and not self._succeeds
        since, length = self._streak("critic-blind", blind)
        if length < LONG_UPDATES:
            return None
        return Symptom(
            "critic-blind",
            since,
            f"In {length} updates with rewards the critic has explained nothing of the returns "
            f"(explained_variance at most 0, now {explained:.2g}): advantages are noise.",
            "Check that the prompt says what the return depends on. Raise --critic-lr or --value-minibatches, give the "
            "critic a start with --critic-warmup-steps, or do without one: --algorithm grpo.",
        )


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.0%}"
