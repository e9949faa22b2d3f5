"""Write the tables of README.md and docs/ from the result files, between their markers.

    python benchmarks/tables.py          # rewrite the pages
    python benchmarks/tables.py --check  # exit with 1 where a page says something else than the results

So that no number on a page is typed by hand, and none outlives the run that made it.
"""

import argparse
import itertools
import json
import re
import statistics
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results"
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
CLAIMS = (
    "defects",
    "goals",
    "learned",
    "methods",
    "none",
    "normalization",
    "phrase-length",
    "prompts",
    "sizes",
    "sizes-models",
    "tuning",
)
WORLDS = ("TomatoSalad", "TomatoLettuceSalad", "FoodPreparation", "Entertainment")


def load(name: str) -> dict[str, Any]:
    """A result file."""
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return content


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """A table; the first column is text, the others are numbers."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def with_normalization(name: str, normalization: str) -> str:
    """Name of a result, or of runs, with one normalization: the default has nothing behind it."""
    return name if normalization == "word" else f"{name}-{normalization}"


def commit_of(versions: dict[str, Any]) -> str:
    """The commit of a result's code, shortened."""
    commit = str(versions.get("commit"))
    return f"{commit[:7]} with changes" if commit.endswith("-dirty") else commit[:7]


def source(result: dict[str, Any]) -> str:
    """Where a result comes from."""
    threads = f", threads: {result['threads']}" if "threads" in result else ""
    commit = commit_of(result["versions"])
    return f"`{result['command']}`, {result['date']}, commit {commit}, {result['hardware']['cpu']}{threads}."


def learning() -> str:
    """One row for each world: what the language model learned, beside PPO from scratch with the same budget."""
    scratch = load("ppo-mlp")
    rows = []
    for world in WORLDS:
        word, none = load(f"learning-{world}"), load(f"learning-{world}-none")
        all_three = [scratch["worlds"][world]["seeds"], word["seeds"], none["seeds"]]
        rows.append(
            [
                f"`{world}`",
                *(f"{value:.3f}" for value in (word["optimum"], word["random"]["return_mean"])),
                " / ".join(f"{result['untrained']['return_mean']:.3f}" for result in (word, none)),
                spread(all_three[0]),
                *(f"**{spread(seeds)}**" for seeds in all_three[1:]),
                " / ".join(worst(seeds) for seeds in all_three),
                " / ".join(_reached(seeds) for seeds in all_three),
                f"{word['seeds'][0]['decisions']:,}",
            ]
        )
    header = [
        "world",
        "optimum",
        "random",
        "untrained: `word` / `none`",
        "PPO from scratch",
        "**trained, `word`**",
        "**trained, `none`**",
        "worst success of the three",
        "to 90 % of the three",
        "decisions",
    ]
    commands = ", ".join(f"`python benchmarks/learning.py {world}`" for world in WORLDS)
    note = (
        "Medians, and ranges in brackets. Return as the paper logs it, discounted per primitive step. *PPO from "
        "scratch*: two small networks on the symbolic observation, what is not offered masked out, the same budget, "
        "learning rate and epochs tuned for each world. *`word`* is the paper's normalization and the default, "
        "*`none`* the setting `--normalization none`. *Worst success* is the success rate of the worst seed; *to 90 %* "
        "the median number of decisions after which the mean return of the last 100 episodes was at 90 % of the "
        f"optimum, read from 512 on, a dash where half of the seeds or more never got there. {commands}; the same with "
        f"`--name WORLD-none --normalization none`; `{scratch['command']}`."
    )
    return f"{markdown(header, rows)}\n\n{note}"


def spread(seeds: list[dict[str, Any]]) -> str:
    """Median return over the seeds, and the range."""
    returns = [seed["return_mean"] for seed in seeds]
    return f"{statistics.median(returns):.3f} ({min(returns):.3f} to {max(returns):.3f})"


def worst(seeds: list[dict[str, Any]]) -> str:
    """Success rate of the worst seed."""
    return f"{min(seed['success_rate'] for seed in seeds):.1%}"


def _reached(seeds: list[dict[str, Any]]) -> str:
    middle = statistics.median(seed["decisions_to_90_percent"] or float("inf") for seed in seeds)
    return "-" if middle == float("inf") else f"{middle:,.0f}"


def scratch() -> str:
    """Every seed of PPO from scratch, and the settings that tuning chose."""
    result = load("ppo-mlp")
    rows = [
        [
            f"`{world}` {seed['seed']}",
            f"{measured['config']['learning_rate']:g}, {measured['config']['epochs']}",
            f"{seed['return_mean']:.4f}",
            "{:.4f} to {:.4f}".format(*seed["return_ci95"]),
            f"{seed['success_rate']:.1%}",
            f"{seed['length_mean']:.1f}",
            "-" if seed["decisions_to_90_percent"] is None else f"{seed['decisions_to_90_percent']:,}",
        ]
        for world, measured in result["worlds"].items()
        for seed in measured["seeds"]
    ]
    header = ["world, seed", "learning rate, epochs", "return", "95 % interval", "success", "length", "to 90 %"]
    return f"{markdown(header, rows)}\n\n{source(result)}"


def saycan() -> str:
    """SayCan's four variants between the untrained and the trained model: medians and ranges over the seeds."""
    variants = ("random, drawn", "random, greedy", "ppo, drawn", "ppo, greedy")
    results = {"word": load("saycan"), "none": load("saycan-none")}
    rows = []
    for world, (name, result) in itertools.product(WORLDS, results.items()):
        measured = result["worlds"][world]
        ours = load(with_normalization(f"learning-{world}", name))
        greedy = [{"return_mean": seed["greedy_return_mean"]} for seed in ours["seeds"]]
        rows.append(
            [
                f"`{world}`, {name}",
                f"{ours['untrained']['return_mean']:.3f}",
                *(spread([seed[variant] for seed in measured]) for variant in variants),
                spread(ours["seeds"]),
                spread(greedy),
            ]
        )
    header = ["world, normalization", "untrained", *variants, "trained, drawn", "trained, greedy"]
    return "\n\n".join([markdown(header, rows), *(source(result) for result in results.values())])


def untrained() -> str:
    """What the untrained model earns in each world: drawn and greedy, with and without normalization."""
    result = load("untrained")
    ways = list(dict.fromkeys((row["normalization"], row["played"]) for row in result["rows"]))
    found = {(row["world"], row["normalization"], row["played"]): row for row in result["rows"]}
    rows = [
        [
            f"`{world}`",
            *("{return_mean:.3f} / {success_rate:.0%}".format(**found[(world, *way)]) for way in ways),
            f"{load(f'learning-{world}')['optimum']:.3f}",
        ]
        for world in WORLDS
    ]
    header = ["world", *(f"`{normalization}`, {played}" for normalization, played in ways), "optimum"]
    return f"{markdown(header, rows)}\n\n{source(result)}"


def seeds() -> str:
    """Every seed of every world."""
    rows = [
        [
            f"`{world}` {seed['seed']}",
            f"{seed['return_mean']:.4f}",
            "{:.4f} to {:.4f}".format(*seed["return_ci95"]),
            f"{seed['success_rate']:.1%}",
            f"{seed['length_mean']:.1f}",
            f"{seed['greedy_return_mean']:.4f}",
            "-" if seed["decisions_to_90_percent"] is None else f"{seed['decisions_to_90_percent']:,}",
            f"{sum(seed['seconds'].values()):.0f}",
            f"{seed['distinct_prompts']}",
        ]
        for world in WORLDS
        for seed in load(f"learning-{world}")["seeds"]
    ]
    return markdown(
        [
            "world, seed",
            "return",
            "95 % interval",
            "success",
            "length",
            "greedy return",
            "to 90 %",
            "seconds",
            "prompts met",
        ],
        rows,
    )


def training() -> str:
    """Decisions per second, where they go, and memory."""
    result = load("training")
    rows = [
        [
            name,
            str(row["decisions_per_second"]),
            f"{min(row['all'])} to {max(row['all'])}",
            *(f"{row['share'][phase]:.0%}" for phase in ("rollout", "estimate", "value", "policy")),
            str(row["peak_mib"]),
        ]
        for name, row in result["variants"].items()
    ]
    header = ["variant", "decisions/s", "range", "rollout", "critic's features", "value", "policy", "peak MiB"]
    return f"{markdown(header, rows)}\n\n{source(result)}"


def dry_run() -> str:
    """What the dry run says beside what a real run takes."""
    result = load("dry-run")
    rows = []
    for name, case in result["cases"].items():
        expected, measured = case["estimate"], case["measured"]
        memory = expected["memory"]["total"]
        rows.append(
            [
                name,
                *(f"{size / 2**20:,.0f}" for size in (memory, measured["tensor_bytes"])),
                f"{memory / measured['tensor_bytes'] - 1:+.0%}",
                f"{measured['resident_mib']:,.0f}",
                *(f"{seconds:.2f}" for seconds in (expected["update_s"], measured["update_s"])),
                f"{expected['update_s'] / measured['update_s'] - 1:+.0%}",
                str(measured["updates"]),
            ]
        )
    header = [
        "run",
        "MiB expected",
        "of tensors",
        "off by",
        "of the process",
        "s/update expected",
        "real",
        "off by",
        "updates",
    ]
    loads = [case["load_average"][0] for case in result["cases"].values()]
    note = (
        f"`{result['command']}`, {result['date']}, {result['hardware']['cpu']}, {result['threads']} thread, on a "
        f"machine that did other work at the same time (load {min(loads):.1f} to {max(loads):.1f} on two cores)."
    )
    return f"{markdown(header, rows)}\n\n{note}"


def comparison() -> str:
    """What `make train` ends with."""
    result = load("show-TomatoSalad")
    names = (
        "random",
        "`hearth`, untrained",
        "`hearth`, trained for {:,} decisions".format(result["decisions"]),
        "optimal planner",
    )
    rows = [
        [
            name,
            f"{row['return_mean']:.3f}",
            "{:.3f} to {:.3f}".format(*row["return_ci95"]),
            f"{row['success_rate']:.0%}",
            f"{row['length_mean']:.1f}",
        ]
        for name, row in zip(names, result["rows"], strict=True)
    ]
    return markdown(["TomatoSalad, 100 fresh episodes", "return", "95 % interval", "success", "steps"], rows)


def forest() -> str:
    """What sharing the beginnings of prompts brings to policy minibatches."""
    result = load("forest")
    rows = [
        [
            f"{model}, `{world}`",
            f"{row['alone_tokens']:,}",
            f"{row['shared_tokens']:,}",
            f"{row['alone_s']:.2f}",
            f"{row['shared_s']:.2f}",
            "**{1:.2f}x** ({0:.2f} to {2:.2f})".format(*row["ratio_quartiles"]),
        ]
        for model, measured in result["models"].items()
        for world, row in measured["worlds"].items()
    ]
    header = ["", "tokens, a row each", "tokens, shared", "seconds, a row each", "seconds, shared", "ratio (quartiles)"]
    compiled, fault = result["alternatives"]["compile"], result["alternatives"]["flex_attention_fault"]
    weights = ", ".join(
        f"{measured['pair_weight']['forward']:.1f} forward and {measured['pair_weight']['forward_backward']:.1f} with "
        f"backward ({model})"
        for model, measured in result["models"].items()
    )
    note = (
        f"`{result['command']}`, {result['date']}, {result['hardware']['cpu']}, processor time of one thread: the four "
        "policy minibatches of 32 decisions of a first rollout, forward and backward, interleaved. A pair of tokens in "
        f"attention costs as much as {weights} times as many operations elsewhere. The layers of `hearth` through "
        f"`torch.compile`: {compiled['eager_s']:.2f} s before, {compiled['compiled_s']:.2f} s after "
        f"{compiled['compiling_s']:.0f} s of compiling (`TomatoLettuceSalad`). FlexAttention: "
        + (f'"{fault}"' if fault else "can train here.")
    )
    return f"{markdown(header, rows)}\n\n{note}"


def generalization(normalization: str) -> str:
    """A table for each panel of tasks never met."""
    # Only here: it imports torch, which the other tables do without.
    from generalization import tables

    result = load(with_normalization("generalization", normalization))
    return f"{tables(result)}\n\n{source(result)}"


def retention() -> str:
    """What training cost in language ability, seed by seed."""
    if not (RESULTS / "retention.json").exists():
        return "The five-seed numbers are not measured yet."
    # Only here: it imports torch, which the other tables do without.
    from retention import tables

    result = load("retention")
    return f"{tables(result)}\n\n{source(result)}"


def speed(name: str) -> str:
    """A table of speed."""
    # Only here: it imports this file.
    from speed_tables import BLOCKS as SPEED

    try:
        return SPEED[name]()
    except FileNotFoundError as missing:
        return f"Not measured yet: there is no {Path(missing.filename).name}."


def claim(name: str) -> str:
    """What a page of docs/claims shows."""
    # Only here: it takes its means from this module.
    import claims

    made = {
        "goals": claims.goals,
        "none": claims.without_normalization,
        "phrase-length": claims.phrase_length,
        "prompts": claims.prompts,
        "sizes-models": claims.sizes_models,
    }
    return made[name]() if name in made else claims.table(name)


def planning() -> str:
    """What rollouts of many environments put through a model."""
    result = load("planning")
    rows = [
        [
            f"{int(num_envs):,}",
            *(f"{row[name]:,}" for name in ("decisions", "distinct", "rollout_tokens", "update_decisions")),
            f"{row['update_tokens']:,}",
            f"{row['update_tokens_alone']:,}",
        ]
        for num_envs, row in result["environments"].items()
    ]
    header = ["environments", "decisions", "distinct", "rollout tokens", "distinct in minibatches", "update tokens"]
    exponents = (result[name] for name in ("distinct_exponent", "token_exponent"))
    distinct, tokens = ("{exponent:.2f} ({ci95[0]:.2f} to {ci95[1]:.2f})".format(**item) for item in exponents)
    note = (
        f"`{result['command']}`, {result['date']}: random play on `TomatoLettuceSalad`, rollouts of 32 steps, 4 "
        f"minibatches, `hearth`'s tokenizer. Distinct decisions grow with exponent {distinct}, update tokens with "
        f"{tokens}."
    )
    return f"{markdown([*header, 'with a row each'], rows)}\n\n{note}"


def planning_large() -> str:
    """Memory and operations of a model of 70 billion parameters, by arithmetic."""
    result = load("planning")
    bounds = list(result["memory_gb"])
    rows = [
        [name, *(f"{result['memory_gb'][bound][name]:,.1f}" for bound in bounds)]
        for name in result["memory_gb"]["2048"]
    ]
    memory = markdown(["GB, bfloat16", *(f"{int(bound):,} tokens at once" for bound in bounds)], rows)
    seconds = markdown(
        ["of an iteration with 1,000 environments", "operations", "device-seconds"],
        [
            [name, f"{count:.1e}", f"{result['device_seconds'][name]:,.0f}"]
            for name, count in result["operations"].items()
        ],
    )
    return f"{memory}\n\n{seconds}"


def processes() -> str:
    """Seconds of an update by one process and by two."""
    result = load("processes")
    names = ("rollout", "estimate", "value", "policy")
    rows = [
        [ranks, *(f"{phases[f'{name}_s']:.2f}" for name in names), f"{result['update_s'][ranks]:.2f}"]
        for ranks, phases in result["seconds"].items()
    ]
    header = ["processes", "rollout, s", "critic's features, s", "value, s", "policy, s", "update, s"]
    return (
        f"{markdown(header, rows)}\n\nTwo processes are **{result['speedup']:.2f}** times as fast as one. "
        f"`{result['command']}`, {result['date']}, {result['hardware']['cpu']}: medians of updates of 8 x 16 decisions "
        "with a 58M model on `TomatoLettuceSalad`, one thread each, two cores."
    )


LOST = ("points lost: median (range)", "less than one")


def _lost(runs: list[dict[str, Any]]) -> list[str]:
    """Points of language ability that runs lost, and how often the claim that it was less than one holds."""
    # Adding 0 makes a rounded -0.0 a 0.0.
    drops, claims = [round(100 * run["drop"], 1) + 0 for run in runs], [run["claim"] for run in runs]
    judged = ", ".join(f"{claims.count(claim)} {claim}" for claim in dict.fromkeys(claims))
    return [f"{statistics.median(drops):.1f} ({min(drops):.1f} to {max(drops):.1f})", judged]


def _grouped(runs: list[dict[str, Any]], key: str) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """Runs by world and what else differs but the seed, in the order in which they are first met."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for run in runs:
        groups.setdefault((run["world"], run[key]), []).append(run)
    return groups


def retention_grid(name: str) -> str:
    """What each method of a grid kept of language ability."""
    result = load(f"retention-{name}")
    groups = _grouped(result["runs"], "method")
    rows = [[f"`{world}`, {method}", spread(runs), *_lost(runs)] for (world, method), runs in groups.items()]
    seeds = ", ".join(sorted({str(run["seed"]) for run in result["runs"]}))
    header = ["world, method", "return: median (range)", *LOST]
    return f"{markdown(header, rows)}\n\n{source(result).removesuffix('.')}, seeds {seeds}."


def retention_ways() -> str:
    """What lower learning rates and no normalization keep of language ability, and what they cost."""
    result = load("retention-ways")
    groups = _grouped(result["runs"], "way")
    rows = [[f"`{world}`, {way}", spread(runs), _reached(runs), *_lost(runs)] for (world, way), runs in groups.items()]
    header = ["world, settings", "return: median (range)", "to 90 %", *LOST]
    return f"{markdown(header, rows)}\n\n{source(result)}"


BLOCKS: dict[str, Callable[[], str]] = {
    "comparison": comparison,
    "forest": forest,
    "dry-run": dry_run,
    "generalization": partial(generalization, "word"),
    "generalization-none": partial(generalization, "none"),
    "learning": learning,
    "planning": planning,
    "planning-large": planning_large,
    "processes": processes,
    "retention": retention,
    "retention-ways": retention_ways,
    "retention-learned": partial(retention_grid, "learned"),
    "retention-methods": partial(retention_grid, "methods"),
    "retention-normalization": partial(retention_grid, "normalization"),
    "saycan": saycan,
    "scratch": scratch,
    "seeds": seeds,
    "training": training,
    "untrained": untrained,
    **{f"claim-{name}": partial(claim, name) for name in CLAIMS},
    **{name: partial(speed, name) for name in ("goals", "growth", "iteration", "memory", "scoring", "worlds")},
}
MARKED = re.compile(r"<!-- results:([a-z-]+) -->\n(?:.*?\n)??<!-- end -->", re.DOTALL)


def filled(page: str) -> str:
    """The page with its marked blocks made from the results."""
    return MARKED.sub(lambda match: f"<!-- results:{match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- end -->", page)


def main() -> int:
    """Rewrite or check the pages."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = [path for path in PAGES if filled(path.read_text()) != path.read_text()]
    for path in stale:
        print(f"{path.relative_to(ROOT)} {'differs from the results' if check else 'rewritten'}")
        if not check:
            path.write_text(filled(path.read_text()))
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
