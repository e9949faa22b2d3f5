"""What the paper's published code does wrong, piece by piece, so that its effect can be measured: ``--defects``.

=====================  =====================================================  ====================================
defect                 what it does                                           the right way
=====================  =====================================================  ====================================
padded-critic          the value of a prompt is read at the last position of  `frozen_features`: at the prompt's
                       the batch: behind a shorter prompt that is padding,    last token
                       so its value depends on which prompts are beside it
minibatch-advantages   advantages are normalized 4 at a time, without a floor  `normalize_advantages`: over the
                       under their spread                                     rollout, with a floor
shared-clip            the policy's gradient is clipped together with what     `Trainer.improve_policy`: apart
                       the value head's last minibatch left behind
timeouts-terminal      nothing is expected after a time limit                 `estimate_advantages`: the value of
                                                                              the last state
half-precision         adapters and AdamW's state are kept in float16          float32
=====================  =====================================================  ====================================

This module has the wrong ways; the places that choose them are in `twosome.ppo.train`. They are written from what that
code is known to compute (4 environments, minibatches of 4 decisions for the policy and of 32 for the value, the value
pass first, one norm over all parameters), not from its text, inside this package's loop and with its other settings.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from twosome.scoring import ActionScorer, adapters_off, inner_model

PAD = "\0"
"""Stands for one padding token behind a prompt, so that prompt and padding are one text for the critic to remember."""
PAD_ID = 0


def padded_together(scorer: ActionScorer, prompts: Sequence[str], batch_size: int) -> list[str]:
    """The prompts with the padding that each has in its batch: `PAD` once for each token it lacks.

    Args:
        scorer: knows how many tokens a prompt has.
        prompts: in order.
        batch_size: so many successive prompts make a batch, padded to its longest.
    """
    padded: list[str] = []
    for start in range(0, len(prompts), batch_size):
        batch = prompts[start : start + batch_size]
        lengths = [len(scorer.encoder.prompt_ids(prompt)) for prompt in batch]
        padded += [prompt + PAD * (max(lengths) - length) for prompt, length in zip(batch, lengths, strict=True)]
    return padded


def padded_features(scorer: ActionScorer, prompts: Sequence[str]) -> Float[Tensor, "B D"]:
    """What the frozen model makes of the last position of each prompt of `padded_together`, padding or not.

    Padding attends to the prompt, not to other padding, and its position counts: it is not noise, but it is not what
    the model makes of the prompt either, and it changes with the prompts beside.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        by_length[len(scorer.encoder.prompt_ids(prompt.rstrip(PAD))) + prompt.count(PAD)].append(row)
    features: dict[int, Tensor] = {}
    for length, rows in by_length.items():
        size = max(1, scorer.max_tokens_per_forward // length)
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            features.update(zip(part, _last_position(scorer, [prompts[row] for row in part]), strict=True))
    return torch.stack([features[row] for row in range(len(prompts))])


def _last_position(scorer: ActionScorer, prompts: Sequence[str]) -> Float[Tensor, "B D"]:
    """The last layer's output at the last position of texts that are equally long with their padding."""
    ids = [[*scorer.encoder.prompt_ids(p.rstrip(PAD)), *[PAD_ID] * p.count(PAD)] for p in prompts]
    is_prompt = torch.ones(len(ids), len(ids[0]), dtype=torch.int64)
    for row, prompt in zip(is_prompt, prompts, strict=True):
        row[len(row) - prompt.count(PAD) :] = 0
    with adapters_off(scorer.model), torch.no_grad():
        hidden = (
            inner_model(scorer.model)
            .base_model(
                input_ids=torch.tensor(ids, device=scorer.device),
                attention_mask=is_prompt.to(scorer.device),
                use_cache=False,
            )
            .last_hidden_state
        )
    last: Tensor = hidden[:, -1]
    return last.to(torch.promote_types(last.dtype, torch.float32))


def normalize_by_fours(advantages: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """Each 4 successive advantages, centered and divided by their own spread (of a sample), however small it is."""
    fours = advantages.view(-1, 4)
    return ((fours - fours.mean(1, keepdim=True)) / (fours.std(1, keepdim=True) + 1e-8)).flatten()


class HalfPrecisionAdamW(torch.optim.AdamW):
    """AdamW whose parameters, gradients and moments are float16, for a model that computes in float32.

    The arithmetic of each step is PyTorch's own in float16; the float32 parameters then take its outcome. With
    gradients below about 5e-3 the second moment, which grows by a thousandth of their square, is zero: the step is
    the first moment divided by ``eps``. The published code computes its forward in float16, too; here that is the
    setting ``dtype`` of the frozen model, and gradients are rounded after they are clipped.

    Args:
        parameters: float32; rounded to float16 at once.
        settings: AdamW's.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], **settings: Any) -> None:
        self._full = list(parameters)
        self._half = [parameter.detach().half() for parameter in self._full]
        super().__init__(self._half, **settings)
        self._write_back()

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One step in float16."""
        for full, half in zip(self._full, self._half, strict=True):
            half.grad = None if full.grad is None else full.grad.half()
        super().step(closure)
        self._write_back()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of the float32 parameters."""
        for full in self._full:
            full.grad = None

    @torch.no_grad()
    def _write_back(self) -> None:
        for full, half in zip(self._full, self._half, strict=True):
            full.copy_(half)
