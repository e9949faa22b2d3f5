"""Whether training a policy cost its language model any language ability.

Model and adapter answer the same items of the same tasks: without the adapter it is the model as it was, which several
runs of one model have in common.
So every item is a pair, and only the items whose answer changed tell the two apart. The claim "less than one point of
accuracy lost" is supported where the whole 95% interval of the drop is below one point, refuted where it is above,
and else undecided.

Tasks are those of lm-evaluation-harness (the extra `retention`), by its names, or files of items; unless told otherwise
those that ship for `hearth`, whose data `hearth/retention.py` makes, which need no network.
"""

import contextlib
import difflib
import hashlib
import io
import json
import logging
import math
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from twosome.config import TrainConfig
from twosome.errors import ConfigError
from twosome.evaluate.harness import PERPLEXITY, SHIPPED, check_retain
from twosome.evaluate.task_files import ENDINGS, is_file, task_of
from twosome.files import sha256
from twosome.policy.loading import load_run
from twosome.runs import RunDirectory
from twosome.scoring import ActionScorer, adapters_off
from twosome.statistics import (
    RESAMPLES,
    mcnemar,
    mean_drop_interval,
    mean_of_intervals,
    middle_95,
    repeated_drop_interval,
)
from twosome.trust import CHANGEABLE
from twosome.versions import versions

Floats = NDArray[np.float64]

FOLDER = Path(__file__).parent / "retention_tasks"
METRICS = ("acc_norm", "acc", "exact_match")
"""What counts as right: the first of these that a task reports."""
_SEED = 1234
"""Of what tasks draw, such as examples before an item, as by default in the harness."""
MARGIN = 0.01
"""The drop in accuracy that is asked about: one point."""


@dataclass(frozen=True)
class Answers:
    """What the model without and with its adapter made of the items of one task, in the same order."""

    metric: str
    """What `base` and `trained` are: one of `METRICS` (1.0 right, 0.0 wrong), or `PERPLEXITY` (log-probability of each
    document, in nats)."""
    base: Floats  # of the model as it was, ``[items]``
    trained: Floats  # of the model with the adapter, ``[items]``
    words: Floats  # in each document, ``[items]``; empty unless the metric is `PERPLEXITY`

    def summary(self) -> dict[str, Any]:
        """The task's result as plain JSON."""
        if self.metric == PERPLEXITY:
            return {"metric": self.metric, "items": len(self.base), **perplexity(self.base, self.trained, self.words)}
        lost, won = (np.flatnonzero(sign * (self.base - self.trained) > 0).tolist() for sign in (1, -1))
        return {"metric": self.metric, **compared([(self.base, self.trained)]), "lost_items": lost, "won_items": won}


def retain(
    runs: Sequence[Path],
    tasks: Sequence[str] = SHIPPED,
    *,
    limit: int | None = None,
    checkpoint: str = "last",
    batch_size: int = 16,
    threads: int = 1,
    progress: Callable[[str], None] = lambda message: None,
    finished: Callable[[Path, dict[str, Any]], None] = lambda run, document: None,
) -> list[dict[str, Any]]:
    """Measure runs' models on language tasks, without and with their adapters.

    Args:
        runs: the runs' directories, of one model, which is asked once.
        tasks: names of tasks or groups of the harness, of those in `SHIPPED`, and files of items (`task_files`).
        limit: at most so many items of each task, the first ones.
        checkpoint: of each run: ``"last"``, ``"best"`` or a folder's name.
        batch_size: items that pass through the model together.
        threads: CPU threads of PyTorch.
        progress: told in words what is being done.
        finished: told of each run what it has come to, as soon as that is known.

    Returns:
        For each run everything as plain JSON: each task's result, and over all tasks with an accuracy the drop, its
        95% interval and what follows for the claim.

    Raises:
        MissingExtraError: lm-evaluation-harness is not installed.
        ConfigError: a task is unknown, its data cannot be had, it has neither an accuracy nor a perplexity, or the
            runs are of different models.
        RunError: there is no such run.
    """
    configs = check_retain(runs, limit=limit, checkpoint=checkpoint, batch_size=batch_size, threads=threads)
    torch.set_num_threads(threads)
    documents: list[dict[str, Any]] = []
    base: dict[str, Any] = {}
    progress("Loading the tasks ...")
    with questions_of(tasks, limit=limit, batch_size=batch_size) as questions:
        for run, config in zip(runs, configs, strict=True):
            scorer = load_run(run, checkpoint)[0].scorer
            if not base:
                progress("Asking the model without its adapter ...")
                with adapters_off(scorer.model):
                    base = questions.ask(scorer)
            progress(f"Asking the model with the adapter of {run} ...")
            trained = questions.ask(scorer)
            del scorer  # before the next one is loaded
            answers = {name: _paired(name, base[name], trained[name]) for name in base}
            choices = [(found.base, found.trained) for found in answers.values() if found.metric != PERPLEXITY]
            folder = RunDirectory.open(run).checkpoint(checkpoint)
            document = {
                "run": str(run),
                "trained_on": {**config.told_envs, "env_kwargs": config.env_kwargs, "seed": config.seed},
                "settings": _hash_of_settings(config),
                "model": config.model,
                "checkpoint": folder.name,
                "adapter": sha256(folder / "adapter_model.safetensors"),
                "limit": limit,
                "tasks": {name: found.summary() for name, found in answers.items()},
                "all": claimed(compared(choices)) if choices else None,
                "versions": {**versions(), "lm_eval": _harness_version()},
            }
            documents.append(document)
            finished(run, document)
    return documents


def _hash_of_settings(config: TrainConfig) -> str:
    """The same for runs that differ in nothing but the seed, and in where and how they were computed."""
    settings = {name: value for name, value in config.to_json().items() if name not in ("seed", *CHANGEABLE)}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def together(documents: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What several runs of one training, which differ in their seeds, lost in the mean.

    Items are what the interval is over, as for one run; each item's change is the mean of those of the runs. So it
    says what is known of these runs, not of other seeds.

    Args:
        documents: of `retain`; of copies of a run one counts.

    Returns:
        For each model and all settings that more than one run was trained with and asked about the same tasks:
        ``trained_on``, ``seeds``, ``runs``, ``tasks`` with ``drop`` and ``drop_ci95``, perplexities left
        out, and ``all`` with the same over the tasks, margin and claim.
    """
    trainings: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for document in {document["adapter"]: document for document in documents}.values():
        asked = (document["model"], document["settings"], document["limit"], *document["tasks"])
        trainings.setdefault(asked, []).append(document)
    return [_mean_over(same) for same in trainings.values() if len(same) > 1 and same[0]["all"] is not None]


def _mean_over(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tasks: dict[str, dict[str, Any]] = {}
    for name, first in documents[0]["tasks"].items():
        if first["metric"] == PERPLEXITY:
            continue
        drops = np.zeros(first["items"])
        for document in documents:
            drops[document["tasks"][name]["lost_items"]] += 1 / len(documents)
            drops[document["tasks"][name]["won_items"]] -= 1 / len(documents)
        tasks[name] = {"items": len(drops), "drop": float(drops.mean()), "drop_ci95": repeated_drop_interval(drops)}
    interval = mean_of_intervals([(task["drop"], task["drop_ci95"]) for task in tasks.values()])
    everything = {"drop": float(np.mean([task["drop"] for task in tasks.values()])), "drop_ci95": interval}
    trained_on = {name: value for name, value in documents[0]["trained_on"].items() if name != "seed"}
    seeds = [document["trained_on"]["seed"] for document in documents]
    runs = [document["run"] for document in documents]
    return {"trained_on": trained_on, "seeds": seeds, "runs": runs, "tasks": tasks, "all": claimed(everything)}


@contextlib.contextmanager
def questions_of(tasks: Sequence[str], *, limit: int | None = None, batch_size: int = 16) -> Iterator["Questions"]:
    """Items of tasks, to be put to any number of models while the context is open.

    Raises:
        ConfigError: as `retain`.
    """
    with tempfile.TemporaryDirectory() as cache:
        with _quiet():
            loaded = _loaded(tasks, Path(cache))
        yield Questions(loaded, limit, batch_size)


@dataclass(frozen=True)
class Questions:
    """What `questions_of` gives."""

    tasks: Mapping[str, Any]  # as the harness loads them: "tasks" by name, and "groups"
    limit: int | None
    batch_size: int

    def ask(self, scorer: ActionScorer) -> dict[str, Any]:
        """Put every item to the scorer's model, with whatever adapters are on: samples by task, groups taken apart.

        Raises:
            ConfigError: the tokenizer names no token that begins or ends a text.
        """
        from lm_eval.evaluator import evaluate

        with _quiet():
            _seed()  # anew each time, so that every model is asked the same
            for task in self.tasks["tasks"].values():
                task.set_fewshot_seed(seed=_SEED)
            model = _wrapped(scorer, self.batch_size)
            found = evaluate(model, self.tasks, limit=self.limit, bootstrap_iters=0, log_samples=True)
        samples: dict[str, Any] = found["samples"]
        return samples


def _wrapped(scorer: ActionScorer, batch_size: int) -> Any:
    """The scorer's model, as whatever adapters are on at the time, for the harness."""
    from lm_eval.models.huggingface import HFLM

    if scorer.tokenizer.bos_token_id is None and scorer.tokenizer.eos_token_id is None:
        raise ConfigError(
            "the model's tokenizer names no token that begins or ends a text, one of which lm-evaluation-harness puts "
            "before what it asks. Add bos_token or eos_token to its tokenizer_config.json."
        )

    class Model(HFLM):  # type: ignore[misc]
        """With documents that begin once.

        For perplexity the harness (0.4.13) puts the beginning-of-text token before a document. Where the tokenizer
        has done so too, it would count the second as a word of the text, and a very improbable one.
        """

        add_bos_token: bool | None

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> Any:
            given, self.add_bos_token = self.add_bos_token, False
            try:
                return super().loglikelihood_rolling(requests, disable_tqdm)
            finally:
                self.add_bos_token = given

    return Model(pretrained=scorer.model, tokenizer=scorer.tokenizer, batch_size=batch_size)


def _loaded(tasks: Sequence[str], cache: Path) -> Mapping[str, Any]:
    """The harness's tasks, ready to be asked as its command asks them: of a name, or of what a file of ours says."""
    from lm_eval.tasks import TaskManager

    manager = TaskManager()
    files = {name: task_of(Path(name), cache) for name in tasks if is_file(name)}
    taken = [*(task["task"] for task in files.values()), *(name for name in dict.fromkeys(tasks) if name not in files)]
    if len(set(taken)) < len(taken):
        raise ConfigError(f"two tasks are named {max(taken, key=taken.count)!r}; rename one of the files.")
    for name in tasks:
        if name not in files and name not in SHIPPED and name not in manager.all_tasks:
            close = difflib.get_close_matches(name, [*SHIPPED, *manager.all_tasks], n=3)
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise ConfigError(
                f"there is no task {name!r}.{hint} Give tasks that ship with twosome ({', '.join(SHIPPED)}), those "
                f"that `lm_eval ls tasks` lists, or files of items that end in {' or '.join(ENDINGS)}."
            )
    _seed()
    try:
        loaded: Mapping[str, Any] = manager.load(
            [files.get(name) or (_shipped(name, cache) if name in SHIPPED else name) for name in dict.fromkeys(tasks)]
        )
    except Exception as error:  # from whatever library the task's data comes by
        raise ConfigError(
            f"cannot load {', '.join(tasks)}: {type(error).__name__}: {error} Tasks of the harness are downloaded the "
            f"first time, which needs a connection and sometimes more packages. Without one: {', '.join(SHIPPED)}."
        ) from error
    for task in loaded["tasks"].values():
        if task.get_config("num_fewshot") is None:
            task.set_config(key="num_fewshot", value=0)
    return loaded


def _seed() -> None:
    """What the harness's command begins with, for tasks that draw from the generators that all share."""
    random.seed(0)
    np.random.seed(_SEED)
    torch.manual_seed(_SEED)


def _shipped(name: str, cache: Path) -> dict[str, Any]:
    """One of our task files, its data found wherever the command runs."""
    import yaml

    content: dict[str, Any] = yaml.safe_load((FOLDER / f"{name.removeprefix('hearth_')}.yaml").read_text())
    files = content["dataset_kwargs"]["data_files"]
    files = {split: str(FOLDER / file) for split, file in files.items()}
    # Not in the user's cache: reading takes no time, and nothing of ours is left behind.
    return {**content, "dataset_kwargs": {"data_files": files, "cache_dir": str(cache)}}


def _paired(name: str, base: Sequence[Mapping[str, Any]], trained: Sequence[Mapping[str, Any]]) -> Answers:
    """The samples of both evaluations side by side."""
    # A task may read an answer by several filters, and each item is listed once for each: the first is taken.
    before, after = (
        {sample["doc_id"]: sample for sample in samples if sample["filter"] == samples[0]["filter"]}
        for samples in (base, trained)
    )
    metric = next((metric for metric in (*METRICS, PERPLEXITY) if metric in base[0]), None)
    if metric is None:
        raise ConfigError(
            f"the task {name!r} has no {', '.join((*METRICS, PERPLEXITY))} for each item, so that answers cannot be "
            "compared. Choose another task."
        )
    pairs = [(before[index][metric], after[index][metric]) for index in sorted(before)]
    if metric in METRICS and not {value for pair in pairs for value in pair} <= {0, 1}:
        raise ConfigError(f"the task {name!r} gives shares of an item as {metric}; expected right, 1, or wrong, 0.")
    if metric == PERPLEXITY:
        rows = np.array([(one[0], two[0], one[1]) for one, two in pairs], dtype=np.float64)
        return Answers(metric, rows[:, 0], rows[:, 1], rows[:, 2])
    values = np.array(pairs, dtype=np.float64)
    return Answers(metric, values[:, 0], values[:, 1], np.empty(0))


def compared(tasks: Sequence[tuple[Floats, Floats]]) -> dict[str, Any]:
    """How accuracy changed over several tasks, each with the same weight.

    The interval puts those of the tasks together by MOVER (Zou and Donner, 2008): the distances of their bounds from
    what was seen are added in quadrature. A bootstrap would be too sure where few answers changed, and give no width
    at all where none did.

    Args:
        tasks: for each, what was right before and after: 1.0 or 0.0 for each item.

    Returns:
        ``items``, ``base`` and ``trained`` (mean accuracies), ``drop`` (base minus trained) with ``drop_ci95``,
        ``lost`` and ``won`` (items that only the base, or only the adapter, has right) and ``p``, of McNemar's exact
        test, two-sided.

    >>> result = compared([(np.array([1.0, 1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0, 1.0]))])
    >>> result["drop"], result["lost"], result["won"], result["p"]
    (0.25, 1, 0, 1.0)
    """
    differences = [base - trained for base, trained in tasks]
    counts = [(int((values > 0).sum()), int((values < 0).sum()), len(values)) for values in differences]
    lost, won, items = (sum(column) for column in zip(*counts, strict=True))
    return {
        "items": items,
        "base": float(np.mean([base.mean() for base, _ in tasks])),
        "trained": float(np.mean([trained.mean() for _, trained in tasks])),
        "drop": float(np.mean([values.mean() for values in differences])),
        "drop_ci95": mean_drop_interval(counts),
        "lost": lost,
        "won": won,
        "p": mcnemar(lost, won),
    }


def claimed(result: dict[str, Any]) -> dict[str, Any]:
    """The result with what it says of the claim that less than `MARGIN` was lost."""
    low, high = result["drop_ci95"]
    verdict = "supported" if high < MARGIN else "refuted" if low > MARGIN else "undecided"
    return {**result, "margin": MARGIN, "claim": verdict}


def perplexity(base: Floats, trained: Floats, words: Floats) -> dict[str, Any]:
    """Perplexity per word without and with the adapter, and their ratio with a 95% interval over documents.

    Args:
        base: log-probability of each document without the adapter, in nats.
        trained: the same with it.
        words: in each document.

    >>> perplexity(np.array([-2.0]), np.array([-4.0]), np.array([2.0]))["ratio"] == math.exp(1.0)
    True
    """
    drawn = np.random.default_rng(0).integers(len(words), size=(RESAMPLES, len(words)))
    return {
        "base": math.exp(-base.sum() / words.sum()),
        "trained": math.exp(-trained.sum() / words.sum()),
        "ratio": math.exp((base - trained).sum() / words.sum()),
        "ratio_ci95": middle_95(np.exp((base - trained)[drawn].sum(axis=1) / words[drawn].sum(axis=1))),
    }


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the harness and its libraries log, warn of and draw; errors are raised all the same."""
    disabled = logging.root.manager.disable
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(disabled)


def _harness_version() -> str:
    from importlib.metadata import version

    return version("lm_eval")
