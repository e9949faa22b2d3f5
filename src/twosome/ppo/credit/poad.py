"""Actions as paths of choices: what ``--algorithm poad`` gives credit to, where PPO gives it to whole actions.

A phrase is a path through the trie of its decision's phrases. Most of its tokens are forced: a *choice* is a place on
the path where more than one continuation leads to an action, the end of a phrase that others go on from among them.
The policy stays the softmax over whole actions and factors exactly,

    pi(action) = product over its choices of  P(actions still possible after the choice) / P(those possible before it),

so sampling and evaluation know nothing of this. Bellman's backup with action decomposition then says what a choice
is worth: within an action nothing is earned and no time passes, so the target is the value at the next choice; the
last choice of an action earns the action's reward, and what follows is discounted over its primitive steps.

What the critic reads before an action's first choice is the prompt, forced tokens or not, since they add nothing to
the state: so it is one place with the state that the action before has led to. An action without an alternative is
one choice of probability 1. Where all actions part at one place, all is as in PPO to the last bit.

The published method generates any tokens, each of which is a choice; here only valid actions are open. The loss adds
up over an action's choices, since the gradient of log pi does, and its entropy is that of the actions, which is the
expected sum of the choices' entropies.

Source: Wen et al., 2024 (arXiv:2405.15821), "Reinforcing Language Agents via Policy Optimization with Action
Decomposition".
"""

from collections.abc import Callable, Sequence

from twosome.decision import Decision
from twosome.ppo.credit.algorithm import Algorithm, Credit, ValuesOf
from twosome.ppo.credit.choices import Choices, Path, choices_along
from twosome.ppo.credit.ppo import judged_by_critic
from twosome.rollout import Rollout
from twosome.scoring.spans import Spans

Tokens = Sequence[int]


class Poad(Algorithm):
    """Credit for each choice among tokens, judged by a critic."""

    def credit(self, rollout: Rollout, values_of: ValuesOf) -> Credit:
        """Generalized advantage estimates over choices, normalized over all choices of the rollout."""
        return judged_by_critic(decompose(rollout, self.scorer.spans), rollout, values_of, self.config, self.gamma)


def decompose(rollout: Rollout, spans_of: Callable[[Decision], Spans]) -> Choices:
    """Each action as the path of choices that its tokens are.

    Args:
        rollout: with the policy that acted in it.
        spans_of: the tokens of a decision.
    """
    known: dict[tuple[Decision, int], Path] = {}

    def path_of(decision: Decision, action: int) -> Path:
        if (decision, action) not in known:
            spans = spans_of(decision)
            (_, possible), *later = branchings(spans.actions, action)
            known[decision, action] = [
                (decision.prompt, possible),
                *((spans.shared + spans.actions[action][:depth], possible) for depth, possible in later),
            ]
        return known[decision, action]

    return choices_along(rollout, path_of)


def branchings(actions: Sequence[Tokens], taken: int) -> list[tuple[int, list[int]]]:
    """The places on an action's path at which it parts from others; its end is one where a longer action goes on.

    Args:
        actions: the tokens of each action id; none where it is not available.
        taken: the action.

    Returns:
        Tokens before each place, and the action ids possible there, fewer and fewer. At least one place: the
        beginning, where nothing parts from the action.
    """
    word = actions[taken]
    possible = [i for i, tokens in enumerate(actions) if len(tokens)]
    places = [(0, possible)]
    for depth in range(len(word) + 1):
        following = [i for i in possible if actions[i][depth : depth + 1] == word[depth : depth + 1]]
        if len(following) < len(possible):
            places.append((depth, possible))
        possible = following
    return places[1:] or places
