"""A next-step probe: multiple choice about moments with combinations that the corpus holds out.

For each question the model scores every candidate step after the same moment (the wording of the corpus, the things of
the held-out combination) and answers with the best, by log-probability per word. Perplexity barely moves while the
binding of state to step is learned; this moves. ``python -m hearth.probe FOLDER`` prints one JSON document.
"""

import json
import random
import sys
from pathlib import Path
from typing import TypedDict

import torch
from transformers import AutoTokenizer, LlamaForCausalLM, PreTrainedTokenizerBase

from hearth.corpus.grammar import YOU
from hearth.corpus.plans import CUT, STORE, Plan, make_comfort_plan, make_cut_plan, make_store_plan
from hearth.corpus.situations import render_goal, render_state

QUESTIONS = 150


class Question(TypedDict):
    """A moment in words, the candidate steps, and the index of the right one."""

    prompt: str
    choices: list[str]
    answer: int


def _plan(family: str, rng: random.Random) -> Plan:
    if family == "store":
        box = rng.choice([b for b in STORE if b != "microwave"])
        things, home, verbs = STORE[box]
        return make_store_plan(rng, rng.choice(things), box, home, rng.choice(verbs))
    if family == "held-out heat":
        food = rng.choice(("cheese", "hamburger", "apple pie", "pizza"))
        return make_store_plan(rng, food, "microwave", "kitchen", "warm up")
    if family == "held-out wash":
        thing, box, home = rng.choice((("plate", "dishwasher", "kitchen"), ("clothes", "washing machine", "bathroom")))
        return make_store_plan(rng, thing, box, home, "wash")
    if family == "cut":
        return make_cut_plan(rng, rng.sample(CUT, 1), "soup", "pot", "wooden board")
    if family == "held-out cut":
        return make_cut_plan(rng, [rng.choice(("tomato", "lettuce", "onion"))], "soup", "pot", "cutting board")
    things = rng.choice((("chips", "milk"), ("milk", "chips"), tuple(rng.sample(("chips", "milk", "tea", "cake"), 2))))
    return make_comfort_plan(rng, "watch TV", ("TV", "sofa", "coffee table"), things, "living room")


FAMILIES = ("store", "held-out heat", "held-out wash", "cut", "held-out cut", "held-out comfort")


def questions(family: str, seed: int = 0, count: int = QUESTIONS) -> list[Question]:
    """``count`` questions; the choices are all steps of the plan, once each."""
    rng = random.Random(f"probe {family} {seed}")
    out: list[Question] = []
    for _ in range(count):
        plan = _plan(family, rng)
        moment = rng.choice(plan.moments)
        choices = list(dict.fromkeys(m.step for m in plan.moments))
        rng.shuffle(choices)
        state = [render_goal(rng, YOU, plan.goal), *render_state(rng, YOU, moment), "Now you"]
        out.append({"prompt": " ".join(state), "choices": choices, "answer": choices.index(moment.step)})
    return out


@torch.no_grad()
def choose(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase, question: Question) -> int:
    """The index of the choice with the highest log-probability per word."""
    num_prompt = len(tokenizer(question["prompt"])["input_ids"])
    rows = [tokenizer(question["prompt"] + " " + choice + ".")["input_ids"] for choice in question["choices"]]
    width = max(map(len, rows))
    input_ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    logp = model(input_ids=input_ids).logits.float().log_softmax(-1)
    scores = []
    for b, (row, choice) in enumerate(zip(rows, question["choices"], strict=True)):
        total = sum(logp[b, i - 1, row[i]].item() for i in range(num_prompt, len(row) - 1))
        scores.append(total / len(choice.split()))
    return max(range(len(scores)), key=scores.__getitem__)


def run(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerBase) -> dict[str, dict[str, float]]:
    """Accuracy and chance level for each family."""
    out = {}
    for family in FAMILIES:
        asked = questions(family)
        right = [choose(model, tokenizer, q) == q["answer"] for q in asked]
        chance = sum(1 / len(q["choices"]) for q in asked) / len(asked)
        out[family] = {"accuracy": round(sum(right) / len(right), 4), "chance": round(chance, 4)}
    return out


def main() -> None:
    """Probe the model in a folder."""
    folder = Path(sys.argv[1])
    torch.set_num_threads(1)
    model = LlamaForCausalLM.from_pretrained(folder).train(False)
    print(json.dumps(run(model, AutoTokenizer.from_pretrained(folder)), indent=2))


if __name__ == "__main__":
    main()
