"""The card of an exported model: what it acts in, how well, what it was made from, and what it takes to act with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twosome.config import TrainConfig, world_name
from twosome.report.checks import shown

_CARD = """---
library_name: transformers
tags: [reinforcement-learning, lora, peft, twosome]
{base_line}---

# {base}, trained to act in {env}

A policy over the valid actions of `{env}`: the language model scores each action's phrase after the prompt, and a
softmax over the scores is the policy. It was trained with PPO by twosome; it does not chat.

## Results

{results}
{curve}
## Acting with it

```python
import twosome

agent = twosome.Agent.load("agent")  # the adapters, with the base model by its name
agent.evaluate("{env_id}", episodes=100)
```

`agent/` is a PEFT adapter as well. The files beside this card are the same model with the adapters merged, for whatever
loads a Transformers folder. A merged model alone is a language model; to act it takes the scoring, with the numbers of
`acting.json`:

```
score = {formula}
```

log P is the sum over the tokens of the phrase, read behind a blank after the prompt; the policy is the softmax of the
scores of the valid actions.{prior}

## Made from

- Base model `{base}`; its files by SHA-256:
{files}
- {decisions:,} decisions of training, seed {seed}, `{tuning}` tuning, normalization `{normalization}`.
- {versions}

The terms of the base model apply.
"""
_FORMULAS = {
    "none": "log P(phrase | prompt)",
    "token": "log P(phrase | prompt) / tokens of the phrase",
    "word": "log P(phrase | prompt) / words of the phrase",
    "byte": "log P(phrase | prompt) / bytes of the phrase",
    "pmi": "log P(phrase | prompt) - log P_base(phrase | context_free_prompt)",
    "learned": "(log P(phrase | prompt) - prior_weight * log P_base(phrase | context_free_prompt)) / temperature",
}
_LIBRARIES = ("twosome", "python", "torch", "transformers", "peft")
_BOTH = """ P_base is the base model's, without what was trained, so acting takes both models; `agent/` has
both by switching its adapters off."""


def model_card(
    config: TrainConfig,
    acting: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    versions: Mapping[str, Any],
    *,
    curve: bool,
) -> str:
    """The card as Markdown, with the head that the Hugging Face Hub reads.

    Args:
        config: of the run.
        acting: what `acting.json` holds.
        results: evaluations of the run, in each of its environments; none if it was not measured.
        versions: of the libraries that the run was trained with.
        curve: whether ``learning_curve.png`` lies beside the card.
    """
    on_hub = config.model.count("/") == 1 and not Path(config.model).exists()
    return _CARD.format(
        base_line=f"base_model: {shown(config.model)}\n" if on_hub else "",
        # Where the model lay on this machine is nobody's business.
        base=shown(config.model if on_hub else Path(config.model).name),
        env=shown(config.shown_envs),
        env_id=shown(config.env),
        results=_results(results),
        curve="\n![Learning curve](learning_curve.png)\n" if curve else "",
        formula=_FORMULAS[config.normalization],
        prior=_BOTH if config.normalization in ("pmi", "learned") else "",
        files="\n".join(f"  - `{shown(name)}` {shown(str(value))}" for name, value in acting["base_files"].items()),
        decisions=acting["decisions"],
        seed=config.seed,
        tuning=config.tuning,
        normalization=config.normalization,
        versions=", ".join(f"{name} {shown(str(versions[name]))}" for name in _LIBRARIES if name in versions),
    )


def _results(results: Sequence[Mapping[str, Any]]) -> str:
    if not results:
        return "Not measured. `twosome eval RUN --episodes 500` measures the run."
    rows = [
        [
            f"`{shown(world_name(result['env']))}`",
            f"{result['episodes']}",
            f"{result['return_mean']:.3f}",
            _interval(result["return_ci95"], "{:.3f}"),
            f"{result['success_rate']:.1%}",
            _interval(result["success_ci95"], "{:.1%}"),
        ]
        for result in results
    ]
    table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return (
        "| environment | episodes | return | 95 % interval | success | 95 % interval |\n"
        f"|---|---:|---:|---:|---:|---:|\n{table}\n"
        "Fresh episodes, actions drawn from the policy; returns discounted per step."
    )


def _interval(bounds: Any, style: str) -> str:
    return "-" if bounds is None else " to ".join(map(style.format, bounds))
