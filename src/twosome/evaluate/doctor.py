"""What is wrong with an environment and a model before anything is trained: measured on states of random play.

A finding's *effect* is how far the untrained policy would move if it were mended: the total variation distance between
the policy as it is and as it would be, averaged over the sampled decisions; 0: not at all, 1: other actions altogether.
Of a policy that is nearly certain it is the share of the greatest entropy that it lacks.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import Any, get_args

import gymnasium
import numpy as np
import torch

from twosome.config import TrainConfig
from twosome.decision import Decision
from twosome.envs import text
from twosome.errors import PromptTooLongError, quote
from twosome.evaluate.loading import ModelOptions
from twosome.evaluate.wording import (
    SENTENCE_END,
    Finding,
    constant,
    correlation,
    distance,
    plain,
    unnamed,
    with_articles,
)
from twosome.policy.base import Policy
from twosome.policy.calibration import Calibration
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.policy.uniform import Uniform
from twosome.rollout import Collector, Episode, entropy_share
from twosome.scoring import ActionScorer, Normalization, context_free_log_probs
from twosome.statistics import bootstrap_interval
from twosome.symptoms import DETERMINISTIC

SAMPLED = 48
"""Different decisions that are scored."""
PARALLEL = 4
"""Environments that are played in side by side."""
LONGEST = 60
"""Decisions for each episode that is asked for, after which play ends: some environments never do."""
PHRASES = 24
"""Different phrases that are tried with and without articles."""
LIKELIER = 0.7
"""Nats by which a phrase with an article has to be likelier: twice as likely."""
CORRELATED = 0.5
"""From this correlation on a bias is named."""
WORST_TOKENS = 12


@dataclass(frozen=True)
class PlayStatistics:
    """What a policy earned: mean return of the episodes that ended, with its interval; None where none did."""

    episodes: int
    return_mean: float | None
    return_ci95: tuple[float, float] | None
    success_rate: float | None


@dataclass(frozen=True)
class Token:
    """A token of a phrase that the model did not expect, and why."""

    phrase: str
    token: str
    log_prob: float
    why: str


@dataclass(frozen=True)
class Examination:
    """Everything that was measured, and what follows."""

    env: str
    env_kwargs: dict[str, Any]  # its arguments
    model: str
    facts: dict[str, float | int | None]  # numbers about environment and model, by name
    random: PlayStatistics  # play at random
    untrained: dict[str, dict[str, Any]]  # entropy share and play under each normalization
    findings: list[Finding]  # what to mend, the largest effect first
    tokens: list[Token]  # the most improbable ones
    samples: list[dict[str, Any]] = field(repr=False)  # decisions with the log-probability of each token of each phrase
    recommendation: list[str]  # what to do, in order

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        document = asdict(self)
        for finding in document["findings"]:
            del finding["times"]
        return document


def examine(
    env: str,
    env_kwargs: dict[str, Any],
    model: str,
    *,
    loading: ModelOptions | None = None,
    normalization: Normalization | None = None,
    episodes: int = 10,
    seed: int = 0,
) -> Examination:
    """Look at an environment as a model reads it.

    Args:
        env: the environment's name.
        env_kwargs: its keyword arguments.
        model: the language model's name.
        loading: how to load it.
        normalization: the one that the run is to have; the preset's otherwise.
        episodes: of each policy, at least; fewer where they take longer than 60 decisions on average.
        seed: of the environments and of the choice of actions.

    Raises:
        TwosomeError: the environment or the model cannot be loaded, or breaks its contract.
    """
    scorer = ActionScorer.from_pretrained(model, **(loading or ModelOptions()).given())
    gamma = text.gamma_of(env, env_kwargs)
    normalization = normalization or TrainConfig(env=env, model=model).normalization
    return _Examiner(scorer, text.maker(env, env_kwargs, scorer.fits), gamma, episodes, seed).examine(
        env, env_kwargs, model, normalization
    )


class _Examiner:
    def __init__(
        self,
        scorer: ActionScorer,
        make: Callable[[], gymnasium.Env[Any, Any]],
        gamma: float,
        episodes: int,
        seed: int,
    ) -> None:
        self.scorer, self.make, self.gamma, self.episodes, self.seed = scorer, make, gamma, episodes, seed
        self.facts: dict[str, float | int | None] = {}

    def examine(self, env: str, env_kwargs: dict[str, Any], model: str, normalization: Normalization) -> Examination:
        began = time.perf_counter()
        random, met = self._play(Uniform())
        self.facts["step_ms"] = 1000 * (time.perf_counter() - began) / max(1, self.facts["random_decisions"] or 0)
        distinct = list(dict.fromkeys(met))
        self.facts["distinct_decisions"] = len(distinct)
        sampled = [distinct[i] for i in np.linspace(0, len(distinct) - 1, min(SAMPLED, len(distinct))).astype(int)]
        self._describe(sampled)
        readable, too_long = self._readable(sampled)
        findings = [*too_long, *_duplicates(self, readable, normalization)]
        untrained: dict[str, dict[str, Any]] = {}
        tokens: list[Token] = []
        samples: list[dict[str, Any]] = []
        choices = [decision for decision in readable if len(decision.available) > 1]
        if choices:
            actors = {name: self._actor(name, choices) for name in get_args(Normalization)}
            untrained = {name: self._untrained(actor, choices) for name, actor in actors.items()}
            findings += self._certain(choices, actors, untrained, normalization)
            findings += self._unfinished(choices, actors[normalization])
            try:
                articles, mended = self._articles(choices, actors[normalization])
            except PromptTooLongError:  # the article did not fit any more
                articles, mended = [], choices
            findings += articles
            # What is left once the phrases have their articles: without them they are also shorter.
            findings += self._biases(mended, actors, normalization, untrained[normalization], random)
            tokens, samples = self._tokens(choices)
            findings += unnamed(choices) + constant(choices)
        findings.sort(key=lambda finding: -1.0 if finding.effect is None else finding.effect, reverse=True)
        recommendation = _recommend(findings, untrained, random, normalization)
        return Examination(
            env, env_kwargs, model, self.facts, random, untrained, findings, tokens, samples, recommendation
        )

    # -- measuring -------------------------------------------------------------------------------------

    def _play(self, policy: Policy) -> tuple[PlayStatistics, list[Decision]]:
        """Until enough episodes have ended, or it takes too long."""
        rng = np.random.default_rng(self.seed)
        finished: list[Episode] = []
        met: list[Decision] = []
        with Collector(self.make, PARALLEL, self.gamma, self.seed) as collector:
            while len(finished) < self.episodes and len(met) < LONGEST * self.episodes:
                rollout = collector.collect(policy, 10, rng)
                finished += rollout.episodes
                met += chain(*rollout.decisions)
        self.facts["random_decisions"] = self.facts.get("random_decisions") or len(met)
        if not finished:
            return PlayStatistics(0, None, None, None), met
        returns = np.array([episode.discounted_return for episode in finished])
        success = statistics.fmean(episode.success for episode in finished)
        return PlayStatistics(len(finished), float(returns.mean()), bootstrap_interval(returns), success), met

    def _describe(self, decisions: Sequence[Decision]) -> None:
        counts = [len(decision.available) for decision in decisions]
        phrases = list(dict.fromkeys(phrase for decision in decisions for phrase in decision.actions if phrase))
        self.facts |= {
            "actions": max(len(decision.actions) for decision in decisions),
            "available_mean": statistics.fmean(counts),
            "available_max": max(counts),
            "phrases": len(phrases),
            "phrase_words_mean": statistics.fmean(len(phrase.split()) for phrase in phrases),
            "phrase_words_max": max(len(phrase.split()) for phrase in phrases),
        }

    def _readable(self, decisions: Sequence[Decision]) -> tuple[list[Decision], list[Finding]]:
        """The decisions that fit into the model's context, and a finding if some do not."""
        readable, lengths, phrase_lengths = [], [], []
        for decision in decisions:
            try:
                spans = self.scorer.spans(decision)
            except PromptTooLongError:
                longest = max(decision.actions, key=len)
                ids = self.scorer.tokenizer(f"{decision.prompt} {longest}", verbose=False)["input_ids"]
                lengths.append(len(ids))
                continue
            readable.append(decision)
            phrase_lengths += [len(action) for action in spans.actions if action]
            lengths.append(len(spans.shared) + max(map(len, spans.actions)))
        context = self.scorer.encoder.max_length
        self.facts |= {
            "prompt_tokens_mean": statistics.fmean(lengths),
            "prompt_tokens_max": max(lengths),
            "context_tokens": context,
            "phrase_tokens_mean": statistics.fmean(phrase_lengths) if phrase_lengths else None,
            "phrase_tokens_max": max(phrase_lengths, default=None),
        }
        if len(readable) == len(decisions):
            return readable, []
        finding = Finding(
            "prompt-too-long",
            1.0,
            f"{len(decisions) - len(readable)} of {len(decisions)} sampled decisions do not fit into the model's "
            f"context: up to {max(lengths):,} tokens of {context:,}. The first such decision ends a run.",
            "Shorten the prompt: leave out what does not change the choice and the oldest history, or take a model "
            "with a longer context.",
        )
        return readable, [finding]

    def _actor(self, normalization: Normalization, decisions: Sequence[Decision]) -> LanguageModelPolicy:
        actor = LanguageModelPolicy(self.scorer, normalization, calibration=Calibration(TrainConfig.prior_weight))
        if normalization == "learned":
            actor.calibrate(decisions, TrainConfig.target_entropy)
        return actor

    def _untrained(self, actor: LanguageModelPolicy, decisions: Sequence[Decision]) -> dict[str, Any]:
        began = time.perf_counter()
        rows = actor.probabilities(decisions)
        self.facts.setdefault("scoring_ms", 1000 * (time.perf_counter() - began) / len(decisions))
        shares = [entropy_share(row, len(d.available)) for row, d in zip(rows, decisions, strict=True)]
        try:
            played, _ = self._play(actor)
        except PromptTooLongError:
            played = PlayStatistics(0, None, None, None)
        return {"entropy_share": statistics.fmean(shares), **asdict(played)}

    # -- findings --------------------------------------------------------------------------------------

    def _certain(
        self,
        decisions: Sequence[Decision],
        actors: dict[Any, LanguageModelPolicy],
        untrained: dict[str, dict[str, Any]],
        normalization: Normalization,
    ) -> list[Finding]:
        share = untrained[normalization]["entropy_share"]
        if share >= DETERMINISTIC:
            return []
        rows = actors[normalization].probabilities(decisions)
        best = [decision.actions[int(row.argmax())] for row, decision in zip(rows, decisions, strict=True)]
        common = max(set(best), key=best.count)
        return [
            Finding(
                "prior-certain",
                1 - share,
                f"With --normalization {normalization} the untrained policy has {share:.1%} of the greatest entropy "
                f"(expected at least {DETERMINISTIC:.0%}): {quote(common)} is the most probable in "
                f"{best.count(common)} of {len(best)} decisions, and other actions are hardly ever tried.",
                "Use --normalization learned, which begins with "
                f"{untrained['learned']['entropy_share']:.0%}; and word the phrases alike, in length and in how usual "
                "they are.",
            )
        ]

    def _unfinished(self, decisions: Sequence[Decision], actor: LanguageModelPolicy) -> list[Finding]:
        """Principle 1: prompt and phrase read on."""
        ended = [decision for decision in decisions if SENTENCE_END.search(decision.prompt)]
        if not ended:
            return []
        try:
            mended = [Decision(f"{decision.prompt} Now you", decision.actions) for decision in ended]
            effect = distance(actor.probabilities(ended), actor.probabilities(mended))
        except PromptTooLongError:
            effect = None
        return [
            Finding(
                "sentence-ended",
                effect,
                f"{len(ended)} of {len(decisions)} prompts end a sentence ({quote(ended[0].prompt[-30:])}), so the "
                "phrase begins a new one in small letters.",
                'End the prompt in an unfinished sentence that each phrase completes, such as "... Now you".',
            )
        ]

    def _articles(
        self, decisions: Sequence[Decision], actor: LanguageModelPolicy
    ) -> tuple[list[Finding], Sequence[Decision]]:
        """Principle 2: a missing article makes the noun improbable. Also the decisions with the articles."""
        prompts: dict[str, str] = {}
        for decision in decisions:
            for phrase in decision.actions:
                if phrase:
                    prompts.setdefault(phrase, decision.prompt)
        better: dict[str, str] = {}
        gains = []
        for phrase, prompt in list(prompts.items())[:PHRASES]:
            variants = with_articles(phrase)
            if not variants:
                continue
            logp = self.scorer.log_probs([Decision(prompt, (phrase, *variants))])[0].tolist()
            best = int(np.argmax(logp))
            if logp[best] - logp[0] > LIKELIER:
                better[phrase] = variants[best - 1]
                gains.append(logp[best] - logp[0])
        if not better:
            return [], decisions
        mended = [Decision(d.prompt, tuple(better.get(phrase, phrase) for phrase in d.actions)) for d in decisions]
        moved = distance(actor.probabilities(decisions), actor.probabilities(mended))
        first = max(better, key=lambda phrase: gains[list(better).index(phrase)])
        return [
            Finding(
                "article-missing",
                moved,
                f"{len(better)} of {min(len(prompts), PHRASES)} phrases are more probable with an article, by "
                f"{statistics.fmean(gains):.1f} nats on average: {quote(better[first])} instead of {quote(first)} by "
                f"{max(gains):.1f}.",
                "Write the phrases with their articles.",
            )
        ], mended

    def _biases(
        self,
        decisions: Sequence[Decision],
        actors: dict[Any, LanguageModelPolicy],
        normalization: Normalization,
        untrained: dict[str, Any],
        random: PlayStatistics,
    ) -> list[Finding]:
        """What draws the untrained policy beside the situation: length, and how usual a phrase is.

        Only where it plays no better than at random: what is usual may well be what is right.
        """
        scored = self.scorer.score(decisions)
        with torch.no_grad():
            free = context_free_log_probs(self.scorer, decisions, actors["pmi"].context_free_prompt).cpu()
        available = scored.available.cpu().numpy()
        rows = actors[normalization].probabilities(decisions)
        policy = np.zeros(available.shape)
        for i, row in enumerate(rows):
            policy[i, : len(row)] = np.log(np.maximum(row, 1e-30))
        tokens = scored.num_tokens.cpu().numpy().astype(np.float64)
        by_length = correlation(policy, tokens, available)
        by_prior = correlation(policy, free.double().numpy(), available)
        self.facts |= {"correlation_with_tokens": by_length, "correlation_with_prior": by_prior}
        earned = untrained["return_ci95"]
        if earned is not None and random.return_mean is not None and earned[0] > random.return_mean:
            return []
        effect = distance(rows, actors["learned"].probabilities(decisions))
        found = []
        if by_length is not None and abs(by_length) >= CORRELATED:
            longer = "longer" if by_length > 0 else "shorter"
            found.append(
                Finding(
                    "length-bias",
                    effect * abs(by_length),
                    f"With --normalization {normalization} {longer} phrases are preferred: within a decision the "
                    f"log-probability correlates with the number of tokens by {by_length:+.2f}.",
                    "Word the phrases of a decision at about the same length, or use another normalization.",
                )
            )
        if by_prior is not None and by_prior >= CORRELATED:
            found.append(
                Finding(
                    "frequency-bias",
                    effect * by_prior,
                    "What the policy prefers is what is usual without any situation: within a decision its "
                    f"log-probability correlates with that after {quote(actors['pmi'].context_free_prompt)} alone by "
                    f"{by_prior:+.2f}.",
                    "Use --normalization learned or pmi, which take that out; name in the prompt what is wanted.",
                )
            )
        return found

    def _tokens(self, decisions: Sequence[Decision]) -> tuple[list[Token], list[dict[str, Any]]]:
        """The most improbable tokens, and everything that was read of them."""
        tables = self.scorer.token_log_probs(decisions)
        phrases = {phrase: None for decision in decisions for phrase in decision.actions if phrase}
        alone = dict(
            zip(
                phrases,
                self.scorer.token_log_probs([Decision(TrainConfig.context_free_prompt, (p,)) for p in phrases]),
                strict=True,
            )
        )
        seen: dict[tuple[str, int], list[float]] = {}
        for decision, table in zip(decisions, tables, strict=True):
            for phrase, tokens in zip(decision.actions, table, strict=True):
                for place, (_, logp) in enumerate(tokens):
                    seen.setdefault((phrase, place), []).append(logp)
        worst = sorted(seen, key=lambda key: statistics.fmean(seen[key]))
        named: dict[str, Token] = {}
        for phrase, place in worst:
            (usual,) = alone[phrase]
            token, prior = usual[place] if place < len(usual) else ("", 0.0)
            here = statistics.fmean(seen[phrase, place])
            named.setdefault(f"{token}|{place == 0}", Token(phrase, token.strip(), here, _why(place, here, prior)))
        samples = [
            {
                "prompt": decision.prompt,
                "actions": [
                    {"action": phrase, "tokens": [{"token": t, "log_prob": p} for t, p in tokens]}
                    for phrase, tokens in zip(decision.actions, table, strict=True)
                    if phrase
                ],
            }
            for decision, table in zip(decisions, tables, strict=True)
        ]
        return list(named.values())[:WORST_TOKENS], samples


def _why(place: int, here: float, prior: float) -> str:
    if here < prior - 1:
        return f"does not fit these prompts: {prior:.1f} without a situation"
    if place == 0:
        return "an unusual beginning, in any situation"
    return "unusual after the words before it, in any situation"


def _duplicates(doctor: _Examiner, decisions: Sequence[Decision], normalization: Normalization) -> list[Finding]:
    """Equal phrases of one decision: the model cannot tell them apart."""
    affected = [d for d in decisions if len({plain(p) for p in d.actions if p}) < len(d.available)]
    doctor.facts["decisions_with_duplicates"] = len(affected)
    if not affected:
        return []
    actor = doctor._actor(normalization, affected)
    moved = []
    for decision, row in zip(affected, actor.probabilities(affected), strict=True):
        once: dict[str, float] = {}
        for phrase, share in zip(decision.actions, row, strict=True):
            if phrase:
                once.setdefault(plain(phrase), float(share))
        # Among equals the choice is blind: all that does not fall to a certain one of them goes wrong.
        moved.append(float(row.sum()) - sum(once.values()))
    example = next(p for p in affected[0].actions if [plain(q) for q in affected[0].actions].count(plain(p)) > 1 and p)
    return [
        Finding(
            "duplicate-phrases",
            statistics.fmean(moved) * len(affected) / len(decisions),
            f"In {len(affected)} of {len(decisions)} decisions several actions have the same phrase, such as "
            f"{quote(example)}: the model cannot tell them apart.",
            "Give each action a phrase of its own that says what is different, or offer only one of them.",
        )
    ]


def _recommend(
    findings: Sequence[Finding], untrained: dict[str, dict[str, Any]], random: PlayStatistics, default: str
) -> list[str]:
    """What to do, in order."""
    steps = [f"{finding.remedy} ({finding.code})" for finding in findings if (finding.effect or 0) >= 0.1][:3]
    measured = {name: row for name, row in untrained.items() if row["return_ci95"] is not None}
    usable = {name: row for name, row in measured.items() if row["entropy_share"] >= DETERMINISTIC}
    if not usable or random.return_mean is None:
        return [*steps, "--normalization learned: no other can be judged by its untrained play here."]
    best = max(usable, key=lambda name: usable[name]["return_mean"])
    rest = max((row["return_ci95"][1] for name, row in measured.items() if name == default), default=-np.inf)
    if best not in (default, "learned") and usable[best]["return_ci95"][0] > rest:
        reason = f"untrained it earns {usable[best]['return_mean']:.3g}, more than {default}, and still explores"
        return [*steps, f"--normalization {best}: {reason}; or learned, which needs no choice."]
    return [*steps, "--normalization learned: no other is better beyond doubt, and it needs no choice."]
