"""Do texts beside a text in a forward change what a model makes of it? `python -m tests.scoring.batch_independence`.

For each family the largest difference, in nats, between a decision's scores alone and beside longer ones, packed and
one by one, and the largest difference in the critic's features. Prompts of all lengths up to the model's longest, so
on both sides of every length at which an encoding of positions could change. In float64, so that rounding is 1e-6 at
most (norms and rotations compute in float32).
"""

import warnings
from typing import Any

import torch

from tests.scoring.tiny_models import FAMILIES, SLIDING, UNPACKABLE, byte_level, tiny_model
from twosome import Decision
from twosome.scoring import ActionScorer, PackingWarning

SWITCH = 40
_GROUPED = {"num_key_value_heads": 2}


def _rope(kind: str, **settings: Any) -> dict[str, Any]:
    # Outside `rope_parameters` too: there Transformers looks first.
    outside = {name: settings[name] for name in settings if name == "original_max_position_embeddings"}
    return {**_GROUPED, **outside, "rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **settings}}


LONGROPE = _rope(
    "longrope",
    short_factor=[1.0] * 4,
    long_factor=[4.0, 8.0, 16.0, 32.0],
    original_max_position_embeddings=SWITCH,
    factor=3.2,
)
# Layers of two kinds, each with an encoding of its own; only one of them switches.
BY_LAYER = {
    "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 7, "original_max_position_embeddings": SWITCH,
    "layer_types": ["full_attention", "sliding_attention"],
    "rope_parameters": {
        "full_attention": LONGROPE["rope_parameters"],
        "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    },
}  # fmt: skip
SCALED: dict[str, tuple[str, dict[str, Any]]] = {
    "phi3, longrope": ("phi3", LONGROPE),
    "llama, longrope": ("llama", LONGROPE),
    "gemma3, longrope in one kind of layer": ("gemma3_text", BY_LAYER),
    "phimoe, longrope": (
        "phimoe",
        {
            **LONGROPE,
            "num_local_experts": 4,
            "rope_parameters": {**LONGROPE["rope_parameters"], "short_mscale": 1.1, "long_mscale": 1.4},
        },
    ),
    "llama, dynamic": ("llama", _rope("dynamic", factor=4.0)),
    "llama, linear": ("llama", _rope("linear", factor=4.0)),
    "llama, yarn": ("llama", _rope("yarn", factor=3.2, original_max_position_embeddings=SWITCH)),
    "llama, llama3": (
        "llama",
        _rope(
            "llama3",
            factor=8.0,
            low_freq_factor=1.0,
            high_freq_factor=4.0,
            original_max_position_embeddings=SWITCH,
        ),
    ),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "falcon, ALiBi": ("falcon", {"alibi": True}),
    "mpt, ALiBi": ("mpt", {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 128}),
    "mixtral": ("mixtral", {**_GROUPED, "num_local_experts": 4}),
    "olmoe": ("olmoe", {**_GROUPED, "num_experts": 4, "num_experts_per_tok": 2}),
    "gpt_oss, attention sinks": (
        "gpt_oss",
        {**_GROUPED, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 7}
        | {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    ),
    "cohere2, window": ("cohere2", {**_GROUPED, "sliding_window": 7}),
    "rwkv, state": ("rwkv", {}),
}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    **{family: (family, settings) for family, settings in (FAMILIES | UNPACKABLE).items()},
    **{f"{name}, window": case for name, case in SLIDING.items()},
    **SCALED,
    **OTHERS,
}

_TEXT = "You see a cup and a plate on the table in the kitchen . Your hands are empty ."
PHRASES = ("pick up the cup", "pick up the plate", "wait", "walk to the table and put the plate down on the table")


def decisions(longest: int = 90) -> list[Decision]:
    """Decisions with prompts of one word to many, so that their lengths in tokens pass every switch."""
    words = _TEXT.split() * 9
    return [Decision(" ".join([*words[: n + 1], "you"]), PHRASES) for n in range(0, longest, 4)]


def differences(model: Any) -> tuple[str, float, float]:
    """How the model is scored, and how far scores and features move with their company."""
    tokenizer = byte_level()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore", PackingWarning)
        scorer = ActionScorer(model, tokenizer)
        fitting = [d for d in decisions() if len(tokenizer(f"{d.prompt} {PHRASES[-1]}")["input_ids"]) <= 128]
        alone = [scorer.log_probs([decision])[0] for decision in fitting]
        others = [scorer.log_probs(fitting), ActionScorer(model, tokenizer, method="naive").log_probs(fitting)]
        prompts = [decision.prompt for decision in fitting]
        features = torch.cat([scorer.prompt_features([prompt]) for prompt in prompts])
        together = scorer.prompt_features(prompts)
    scores = max(float((a - b).abs().max()) for other in others for a, b in zip(alone, other, strict=True))
    return scorer.method, scores, float((features - together).abs().max())


def main() -> None:
    """Print the table."""
    print("| model | scored | scores, nats | features |\n|---|---|---|---|")  # noqa: T201
    for name, (family, settings) in CASES.items():
        method, scores, features = differences(tiny_model(family, **settings))
        print(f"| {name} | {method} | {scores:.1g} | {features:.1g} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
