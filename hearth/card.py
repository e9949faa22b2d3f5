"""The data card: a text with the measured numbers filled in."""

from pathlib import Path
from typing import Any

SOURCE = Path(__file__).with_name("DATA_CARD.in.md")


def render(report: dict[str, Any]) -> str:
    """The data card of the model that ``report`` (the content of ``measurements.json``) is about."""
    recipe: dict[str, Any] = report["recipe"]
    fields = {name: f"{value:,}" if isinstance(value, int) else str(value) for name, value in recipe.items()}
    fields |= {name: f"{report[name]:,}" for name in ("documents", "parameters")}
    fields["minutes"] = f"{report['seconds'] / 60:.0f}"
    fields["perplexity"] = f"{report['perplexity']:.3f}"
    fields["probe"] = "\n".join(
        f"| {family} | {row['accuracy']:.2f} | {row['chance']:.2f} |" for family, row in report["probe"].items()
    )
    fields["returns"] = "\n".join(
        f"| {task} | {_cell(row)} | {_cell(report['random'][task])} |" for task, row in report["untrained"].items()
    )
    return SOURCE.read_text().format_map(fields)


def _cell(row: dict[str, float]) -> str:
    return f"{row['return']:.3f} ± {row['standard_error']:.3f} ({row['success']:.3f})"
