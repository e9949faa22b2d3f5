"""Everything that is wrong with an environment, at once: random play that goes on after each fault.

Faults keep a run from training, or from being repeated and resumed. Advice is what one may want to know. What a model
makes of prompts and phrases is looked at by `twosome.evaluate.doctor`.
"""

import re
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np

from twosome.decision import Decision
from twosome.envs import text
from twosome.envs.checked import CheckedEnv, EnvCloseWarning, Step, close, env_seeds, limit_prompts
from twosome.envs.text_env import TextEnv
from twosome.errors import PromptTooLongError, TwosomeError, quote
from twosome.evaluate.wording import Finding

if TYPE_CHECKING:
    from twosome.scoring import ActionScorer

SAME_ACTIONS = 30
"""Actions that are repeated with the same seed."""
SPLIT_SEEDS = 5
SCORED = 16
"""Decisions whose scoring is timed."""
ALIKE = 0.2
"""From this share of decisions on it is said that they are alike in something."""
SLOW_MS = 20.0
LARGE = 10.0
"""Absolute rewards beyond this, and returns, are better divided."""

_REMEDIES = {
    "blank at its end": "Strip the prompt: prompt.rstrip().",
    "without blanks around": "Strip the phrases.",
    "the prompt to be a text": 'Give "prompt" as a str that is not empty.',
    "the actions to be": 'Give "actions" as a tuple of str, with PhraseIndex() of any length, "" where not available.',
    "no action is available": "Offer an action in every state, or end the episode.",
    "the observation to be a dict": 'Return {"prompt": ..., "actions": ...} from reset and step.',
    "the reward to be": "Return float(reward); NaN and infinity are none.",
    "terminated to be": "Return bool(terminated).",
    "truncated to be": "Return bool(truncated).",
    '"primitive_steps"': 'Give info["primitive_steps"] as an int, or leave it out.',
    '"success"': 'Give info["success"] as a bool, or leave it out.',
    "action_mask": "Derive the mask from the phrases, or leave it out: it is optional.",
    '"vector"': "Give the array that the space says, as float32.",
    "info to be": "Return a dict, {} if there is nothing to say.",
    "reset to return": "Return (observation, info) from reset.",
    "step to return": "Return (observation, reward, terminated, truncated, info) from step.",
    "does not fit into the model": "Tell less in goal and observation, or take a model with a longer context.",
    "the environment raised": "Mend it there; TWOSOME_TRACEBACK=1 with twosome eval --policy random shows the "
    "traceback.",
}
"""By a part of the message of a fault that does not say what to do."""


@dataclass
class EnvCheck:
    """What was found out about an environment."""

    env: str  # its name
    env_kwargs: dict[str, Any]  # its arguments
    model: str | None  # who reads it; None: nobody
    faults: list[Finding] = field(default_factory=list)  # to be mended, in the order in which they were met
    advice: list[Finding] = field(default_factory=list)  # to be known
    facts: dict[str, float | int | None] = field(default_factory=dict)  # numbers by name

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        document = asdict(self)
        for kind in ("faults", "advice"):
            found = getattr(self, kind)
            document[kind] = [{"what": f.measured, "remedy": f.remedy, "times": f.times} for f in found]
        return document


def check_env(
    env: str,
    env_kwargs: dict[str, Any] | None = None,
    *,
    scorer: "ActionScorer | None" = None,
    steps: int = 200,
    seed: int = 0,
) -> EnvCheck:
    """Play at random and look at everything that the contract asks, without stopping at the first fault.

    Args:
        env: the environment's name.
        env_kwargs: its arguments.
        scorer: a language model that is to read it.
        steps: how many actions to take.
        seed: of the environment and of the actions.
    """
    name = None if scorer is None else scorer.name
    checker = _Checker(EnvCheck(env, env_kwargs or {}, name), scorer, steps, seed)
    checker.check()
    return checker.found


class _Checker:
    def __init__(self, found: EnvCheck, scorer: "ActionScorer | None", steps: int, seed: int) -> None:
        self.found, self.scorer, self.num_steps, self.seed = found, scorer, steps, seed
        self.decisions: list[Decision] = []
        self.steps: list[Step] = []
        self.shortened = 0
        self._known: dict[str, Finding] = {}

    def check(self) -> None:
        env = self._attempt(lambda: text.make(self.found.env, **self.found.env_kwargs))
        checked = None if env is None else self._attempt(CheckedEnv, env)
        if env is None:
            return
        if checked is not None:
            if self.scorer is not None:
                limit_prompts(env, self._fits)
            self._play(checked)
            if self.decisions:
                self._describe()
                self._read(self.scorer)
                self._repeat(checked)
                self._restore(env)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always", EnvCloseWarning)
            close(env)
        for warning in said:
            self._fault(str(warning.message), "Let close free what was opened, and never fail.")
        if self.decisions and isinstance(env.unwrapped, TextEnv):
            self._split()

    # -- noting ----------------------------------------------------------------------------------------

    def _fault(self, what: str, remedy: str | None = None) -> None:
        # The place, numbers and what was found differ from time to time; the kind does not.
        kind = re.sub(r"\d+", "", re.sub(r"^.*?(?:reset|step \d+[^:]*|\w+ after step \d+): ", "", what))
        kind = kind.partition("found")[0]
        if kind in self._known:
            self._known[kind].times += 1
            return
        if remedy is None:
            remedy = next((remedy for part, remedy in _REMEDIES.items() if part in what), "")
        self._known[kind] = Finding("", None, what, remedy)
        self.found.faults.append(self._known[kind])

    def _advise(self, what: str, remedy: str) -> None:
        self.found.advice.append(Finding("", None, what, remedy))

    def _attempt(self, do: Callable[..., Any], *arguments: Any) -> Any:
        """What it returns; None where it fails, which is noted."""
        try:
            return do(*arguments)
        except TwosomeError as error:
            self._fault(str(error))
            return None

    def _fits(self, prompt: str, phrases: Sequence[str]) -> bool:
        assert self.scorer is not None
        fits = self.scorer.fits(prompt, phrases)
        self.shortened += not fits
        return fits

    # -- playing ---------------------------------------------------------------------------------------

    def _play(self, env: CheckedEnv) -> None:
        """Take actions at random; after a fault in a new episode."""
        rng = np.random.default_rng(self.seed)
        seeds: Iterator[int] = iter(env_seeds(self.seed, self.num_steps))
        resets, times, lengths, returns = [], [], [], []
        decision: Decision | None = None
        length, earned, first = 0, 0.0, True
        for begin in seeds:
            if decision is None:
                began = time.perf_counter()
                # One seed, so that a place in a message can be gone back to; after a fault, another.
                decision = self._attempt(env.reset, begin if first else None)
                resets.append(time.perf_counter() - began)
                length, earned, first = 0, 0.0, decision is None
                if decision is None:
                    continue
            self.decisions.append(decision)
            action = int(rng.choice(decision.available))
            began = time.perf_counter()
            step = self._attempt(env.step, action)
            times.append(time.perf_counter() - began)
            first, decision = step is None, None
            if step is None:
                continue
            self.steps.append(step)
            length, earned, decision = length + 1, earned + step.reward, step.decision
            if decision is None:
                lengths.append(length)
                returns.append(earned)
        self.found.facts |= {
            "decisions": len(self.decisions),
            "episodes": len(lengths),
            "episode_decisions_mean": statistics.fmean(lengths) if lengths else None,
            "return_mean": statistics.fmean(returns) if returns else None,
            "return_max": max(returns, default=None),
            "successes": sum(step.success for step in self.steps if step.decision is None),
            "reset_ms": 1000 * statistics.fmean(resets),
            "step_ms": 1000 * statistics.fmean(times) if times else None,
            "step_ms_max": 1000 * max(times) if times else None,
        }

    def _describe(self) -> None:
        facts, counts = self.found.facts, [len(decision.available) for decision in self.decisions]
        facts |= {
            "actions_min": min(counts),
            "actions_mean": statistics.fmean(counts),
            "actions_max": max(counts),
            "prompt_characters_max": max(len(decision.prompt) for decision in self.decisions),
        }
        if not facts["episodes"]:
            self._advise(
                f"No episode has ended within {len(self.decisions)} decisions.",
                "If some never end, cut them off: max_steps of a TextEnv, or --env-kwargs "
                "'{\"max_episode_steps\": 100}'.",
            )
        rewards = [step.reward for step in self.steps]
        if rewards and not any(rewards):
            self._advise(
                f"Random play has met no reward in {len(rewards)} decisions.",
                "Reward parts of the way, begin nearer to the goal, or check whether the reward is returned at all.",
            )
        largest = max(map(abs, rewards), default=0.0)
        if largest > LARGE:
            self._advise(
                f"Rewards are as large as {largest:g} (expected near 1): the critic's clipping and learning rate are "
                "made for returns near 1.",
                "Divide them, or train with --normalize-rewards, which reports them as they are.",
            )
        doubled = [d for d in self.decisions if len(set(filter(None, d.actions))) < len(d.available)]
        if doubled:
            phrases = doubled[0].actions
            example = next(phrase for phrase in phrases if phrase and phrases.count(phrase) > 1)
            self._advise(
                f"In {len(doubled)} of {len(self.decisions)} decisions several actions have the same phrase, such as "
                f"{quote(example)}: a model cannot tell them apart, so they share its probability.",
                "Say in each phrase what is different, or offer one of them.",
            )
        ended = [d.prompt for d in self.decisions if re.search(r"[.!?]$", d.prompt)]
        if len(ended) > ALIKE * len(self.decisions):
            self._advise(
                f"{len(ended)} of {len(self.decisions)} prompts end a sentence ({quote(ended[0][-30:])}), and a phrase "
                "reads on from its prompt.",
                'End the prompt in an unfinished sentence that each phrase completes, such as "... Now you".',
            )
        step_ms = facts["step_ms"]
        if step_ms is not None and step_ms > SLOW_MS:
            self._advise(
                f"A step takes {step_ms:.0f} ms, so 10,000 decisions take {10 * step_ms / 60:.0f} minutes in the "
                "environment alone.",
                "Profile it, if that is longer than the model takes to read.",
            )

    def _read(self, scorer: "ActionScorer | None") -> None:
        """Look at how many tokens of the model's context the decisions take, and how long scoring does."""
        if scorer is None:
            return
        lengths, distinct = [], list(dict.fromkeys(self.decisions))
        too_long = 0
        for decision in distinct:
            try:
                spans = scorer.spans(decision)
            except PromptTooLongError:
                too_long += 1
                longest = max(decision.actions, key=len)
                lengths.append(len(scorer.tokenizer(f"{decision.prompt} {longest}", verbose=False)["input_ids"]))
            except TwosomeError as error:
                self._fault(str(error), "")
            else:
                lengths.append(len(spans.shared) + max(map(len, spans.actions)))
        context = scorer.encoder.max_length
        if too_long:
            self._fault(
                f"{too_long} of {len(distinct)} different decisions do not fit into the context of {scorer.name}: up "
                f"to {max(lengths):,} tokens of {context:,}. The first of them ends a run.",
                "Shorten the prompt: what does not change the choice, and the oldest history (a TextEnv leaves that "
                "out by itself), or take a model with a longer context.",
            )
        readable = [d for d, length in zip(distinct, lengths, strict=False) if context is None or length <= context]
        timed = readable[:SCORED] if len(lengths) == len(distinct) else []
        began = time.perf_counter()
        for decision in timed:
            scorer.log_probs([decision])
        self.found.facts |= {
            "tokens_mean": statistics.fmean(lengths) if lengths else None,
            "tokens_max": max(lengths, default=None),
            "context_tokens": context,
            "prompts_shortened": self.shortened,
            "scoring_ms": 1000 * (time.perf_counter() - began) / len(timed) if timed else None,
        }

    # -- repeating -------------------------------------------------------------------------------------

    def _repeat(self, env: CheckedEnv) -> None:
        """Whether the same seed and actions lead to the same."""

        def trace() -> list[tuple[Any, ...]]:
            decision: Decision | None = env.reset(self.seed)
            rng, seen = np.random.default_rng(self.seed), []
            for _ in range(SAME_ACTIONS):
                if decision is None:
                    decision = env.reset()
                step = env.step(int(rng.choice(decision.available)))
                seen.append((decision, step.reward, step.terminated, step.truncated))
                decision = step.decision
            return seen

        try:
            first, second = trace(), trace()
        except TwosomeError:
            return  # noted already
        place = next((i for i, (one, other) in enumerate(zip(first, second, strict=True)) if one != other), None)
        if place is not None:
            self._fault(
                f"reset with the seed {self.seed} and the same actions lead elsewhere the second time, from step "
                f"{place + 1} on: {quote(first[place][0].prompt)} and {quote(second[place][0].prompt)}.",
                "Draw random numbers from rng or self.np_random alone, sort what comes from sets, and begin each "
                "episode afresh.",
            )

    def _restore(self, env: gymnasium.Env[Any, Any]) -> None:
        if not hasattr(env.unwrapped, "get_state"):
            kind = "save_state and load_state" if isinstance(env.unwrapped, TextEnv) else "get_state and set_state"
            self._advise(
                "A run that is resumed begins new episodes: the environment cannot save its state.",
                f"For exact resumption, write {kind}.",
            )
            return
        if self._attempt(CheckedEnv(env).reset, self.seed) is not None:
            self._attempt(text.check_restoring, env)

    def _split(self) -> None:
        """Whether train and test are different tasks."""
        begun: dict[str, list[str]] = {}
        for split in ("train", "test"):
            begun[split] = self._attempt(self._beginnings, {**self.found.env_kwargs, "split": split}) or []
        if begun["train"] == begun["test"] != []:
            self._advise(
                f"With split='train' and split='test' {SPLIT_SEEDS} seeds begin alike: there are no tasks that "
                "training never meets.",
                "Draw other tasks in begin where split is 'test', if what is learned is to be measured on new ones.",
            )

    def _beginnings(self, kwargs: dict[str, Any]) -> list[str]:
        """The first prompts of a few episodes."""
        with text.make_checked(self.found.env, **kwargs) as env:
            return [env.reset(seed).prompt for seed in env_seeds(self.seed, SPLIT_SEEDS)]
