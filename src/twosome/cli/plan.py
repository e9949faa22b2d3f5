"""What `twosome train --dry-run` prints."""

import json

from rich.table import Table

from twosome.config import TrainConfig
from twosome.console import plain_console
from twosome.ppo.dry_run import Plan

_PARTS = {
    "base": "weights of the frozen model",
    "adapters": "adapters, gradients, moments",
    "value_head": "value head, gradients, moments",
    "features": "critic's features, first rollout",
    "activations": "activations, largest micro-batch",
    "logits": "its logits",
    "reading": "forwards without gradients, at another time",
    "total": "most at once",
}


def print_plan(plan: Plan, config: TrainConfig, *, as_json: bool) -> None:
    """The plan as a table, or as one JSON document.

    Args:
        plan: what a run is expected to take.
        config: its settings.
        as_json: print a document.
    """
    content = {"envs": list(config.envs), **plan.to_json()}
    if as_json:
        print(json.dumps(content))  # noqa: T201 - the document is the output
        return
    table = Table(title="Expected, tensors alone", title_justify="left")
    table.add_column("memory")
    table.add_column("MiB", justify="right")
    for name, label in _PARTS.items():
        table.add_row(label, f"{content['memory'][name] / 2**20:,.1f}", end_section=name == "reading")
    console = plain_console()
    if config.more_envs:
        share = config.num_envs // len(config.envs)
        console.print(f"One policy in {config.shown_envs}, {share} of each side by side.\n", soft_wrap=True)
    console.print(table)
    console.print(
        f"{plan.parameters:,} parameters of the model. Trained, the value head's among them: {plan.trainable:,}.\n"
        f"An update: {plan.rollout_tokens:,} tokens to play and to value, {plan.policy_tokens:,} with gradients in "
        f"{plan.micro_batches} micro-batches of at most {plan.max_tokens_per_forward:,}.\n"
        f"Measured here: {plan.update_s:.2f} s for an update, so {_duration(plan.run_s)} for {plan.updates:,}"
        + (f", {_duration(plan.warm_start_s)} of them for the warm start." if plan.warm_start_s else ".")
        + (
            f"\nSelf-imitation, as long as rewards are rare: {plan.self_imitation_s:.2f} s more in an update."
            if plan.self_imitation_s
            else ""
        )
    )


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
