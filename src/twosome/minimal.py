"""TWOSOME on one page: a language model learns to act, with nothing made fast, general or safe.

    python -m twosome.minimal                     # the embedded model on TomatoSalad
    python -m twosome.minimal --published         # with the five mistakes of the paper's published code

The method of Tan et al., *True Knowledge Comes from Practice*, ICLR 2024 (arXiv 2401.14151), to be read from top to
bottom; titles in quotation marks are those of the paper's sections. It is also the executable specification: the rest
of the package computes the same numbers faster, and tests/invariants hold it to this page.

Shapes: T decisions in each of E environments, B of them in a minibatch; A valid actions of a decision, L tokens of one.
Lines that end in `# published: ...` are what the published code does instead.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, AutoTokenizer

import twosome.envs  # noqa: F401 - registers the environments with Gymnasium

MISTAKES = ("padded-critic", "minibatch-advantages", "shared-clip", "timeouts-terminal", "half-precision")


@dataclass(frozen=True)
class Config:
    """The numbers of the method; the learning rates, for a model of a million parameters, are ours."""

    env: str = "twosome/TomatoSalad-v0"
    model: str = str(Path(__file__).parent / "models" / "hearth")
    normalization: str = "word"  # or "token" or "none": what an action's log-probability is divided by
    seed: int = 1
    total_steps: int = 10_000
    num_envs: int = 4
    rollout_steps: int = 32
    actor_lr: float = 1e-3
    critic_lr: float = 1e-3
    minibatches: int = 4  # of the policy and of the value alike
    clip: float = 0.2
    entropy_coef: float = 0.01
    value_coef: float = 0.5
    max_grad_norm: float = 0.5
    gamma: float = 0.99  # per primitive step
    gae_lambda: float = 0.95
    target_kl: float = 0.02
    advantage_std_floor: float = 0.1
    dtype: torch.dtype = torch.float32
    published: frozenset[str] = frozenset()  # which MISTAKES to make


@dataclass(frozen=True)
class Step:
    """One decision, a prompt with its valid actions, and what followed. A rollout is T x E of them, row by row."""

    prompt: str
    actions: list[str]
    chosen: int  # position among the valid actions
    logp: float  # log pi of the chosen action, in nats
    reward: float
    duration: int  # primitive steps that the action took
    terminated: bool
    truncated: bool
    next_prompt: str  # of the same episode, also where it was cut off


# -- "Valid policy generation": log P(a | s) is the sum over i of log P(w_i | s, w_1 ... w_{i-1}) ----------------------
def score(model: PeftModel, tokenizer: Any, prompts: list[str], actions: list[list[str]]) -> list[Tensor]:
    """Joint log-probability of each action after its prompt, [A] for each prompt: a forward pass for each action."""
    joint = []
    for prompt, valid in zip(prompts, actions, strict=True):
        start = len(tokenizer(prompt).input_ids)
        rows = [torch.tensor([tokenizer(f"{prompt} {action}").input_ids]) for action in valid]
        logits = [model(input_ids=row, use_cache=False).logits[:, start - 1 : -1] for row in rows]  # [1, L, V]
        tokens = [torch.log_softmax(x, -1).gather(2, row[:, start:, None]) for x, row in zip(logits, rows, strict=True)]
        joint.append(torch.stack([token_logp.sum() for token_logp in tokens]))
    return joint


# -- "Action prompt normalization", and the policy: a softmax over the valid actions -----------------------------------
def log_policy(cfg: Config, tokenizer: Any, prompt: str, actions: list[str], joint: Tensor) -> Tensor:
    """Log pi(a | s) of each valid action, [A]."""
    start = len(tokenizer(prompt).input_ids)
    tokens = [len(tokenizer(f"{prompt} {action}").input_ids) - start for action in actions]
    length = {"none": [1] * len(actions), "token": tokens, "word": [len(action.split()) for action in actions]}
    return torch.log_softmax(joint / torch.tensor(length[cfg.normalization]), dim=0)


# -- One frozen model, two heads: adapters that act, an MLP that judges ------------------------------------------------
def load(cfg: Config) -> tuple[Any, Any, list[nn.Parameter], nn.Module]:
    """The tokenizer, the frozen model with adapters, the adapters, and the value head."""
    tokenizer = AutoTokenizer.from_pretrained(cfg.model)
    base: Any = AutoModelForCausalLM.from_pretrained(cfg.model, dtype=cfg.dtype)
    torch.manual_seed(cfg.seed)
    lora = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, task_type="CAUSAL_LM")  # on query and value projections
    model = get_peft_model(base, lora).eval()
    adapters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in adapters if "half-precision" in cfg.published else ():
        parameter.data = parameter.data.half()  # published: and so AdamW's moments, which underflow to zero
    torch.manual_seed(cfg.seed)
    width = base.config.hidden_size
    first = nn.LayerNorm(width, elementwise_affine=False)  # ours: the scale of features differs between models
    head = nn.Sequential(first, nn.Linear(width, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU(), nn.Linear(512, 1))
    return tokenizer, model, adapters, head.to(cfg.dtype)


@torch.no_grad()
def features(cfg: Config, model: PeftModel, tokenizer: Any, prompts: list[str]) -> Tensor:
    """What the frozen model, adapters off, makes of each prompt: its last hidden state at the last token, [B, D]."""
    rows = [torch.tensor(tokenizer(prompt).input_ids) for prompt in prompts]
    ids = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)  # [B, longest]
    is_token = (ids >= 0).long()
    last = is_token.sum(1) - 1
    if "padded-critic" in cfg.published:
        last = torch.full_like(last, ids.shape[1] - 1)  # published: the last position, though it be padding
    decoder: Any = model.get_base_model().base_model
    with model.disable_adapter():
        hidden: Tensor = decoder(ids.clamp_min(0), attention_mask=is_token, use_cache=False).last_hidden_state
    return hidden[range(len(rows)), last]


# -- Acting ------------------------------------------------------------------------------------------------------------
def collect(cfg: Config, policy: Callable[..., Tensor], envs: list[Any], seen: list[Any], rng: Any) -> list[Step]:
    """T decisions in each environment; `seen`, what each shows, is brought up to date."""
    steps = []
    for _ in range(cfg.rollout_steps):
        draws = rng.random(len(envs))
        for e, env in enumerate(envs):
            prompt, ids = seen[e]["prompt"], [i for i, action in enumerate(seen[e]["actions"]) if action]
            actions = [seen[e]["actions"][i] for i in ids]
            with torch.no_grad():
                logp = policy(prompt, actions).numpy()
            cumulative = np.cumsum(np.exp(logp.astype(np.float64)))
            chosen = int(np.searchsorted(cumulative, draws[e] * cumulative[-1], side="right"))
            seen[e], reward, terminated, truncated, info = env.step(ids[chosen])
            outcome = (float(reward), info["primitive_steps"], terminated, truncated, seen[e]["prompt"])
            steps += [Step(prompt, actions, chosen, float(logp[chosen]), *outcome)]
            if terminated or truncated:
                seen[e], _ = env.reset()
    return steps


# -- Semi-Markov GAE: what follows an action of k primitive steps is discounted by gamma^k -----------------------------
def advantages_of(cfg: Config, steps: list[Step], values: Tensor, next_values: Tensor) -> Tensor:
    """Advantage of each decision, [T * E]; with the values they make the targets of the critic."""
    rewards = torch.tensor([step.reward for step in steps]).to(values)
    gammas = cfg.gamma ** torch.tensor([step.duration for step in steps]).to(values)
    terminated = torch.tensor([step.terminated for step in steps])
    ended = terminated | torch.tensor([step.truncated for step in steps])
    if "timeouts-terminal" in cfg.published:
        terminated = ended  # published: nothing is expected after a time limit
    errors = (rewards + gammas * next_values * ~terminated - values).view(cfg.rollout_steps, cfg.num_envs)
    carry = (gammas * cfg.gae_lambda * ~ended).view(errors.shape)
    advantages, following = torch.zeros_like(errors), torch.zeros_like(errors[0])
    for t in reversed(range(cfg.rollout_steps)):
        advantages[t] = following = errors[t] + carry[t] * following
    return advantages.flatten()


# -- "Policy finetuning": PPO's clipped surrogate ----------------------------------------------------------------------
def policy_loss(cfg: Config, policies: list[Tensor], logp: Tensor, old: Tensor, gain: Tensor) -> tuple[Tensor, ...]:
    """The clipped surrogate with an entropy bonus, for advantages `gain`; entropy and approximate KL, in nats."""
    ratio = (logp - old).exp()  # [B]
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - cfg.clip, 1 + cfg.clip) * gain).mean()
    entropy = -torch.stack([(row.exp() * row).sum() for row in policies]).mean()
    return -surrogate - cfg.entropy_coef * entropy, entropy, (ratio - 1 - (logp - old)).mean()


# -- The loop: collect, estimate, improve the critic, improve the policy -----------------------------------------------
def train(cfg: Config, score: Callable[..., list[Tensor]] = score) -> Iterator[dict[str, Any]]:
    """Train, and yield after each update what happened. A faster `score` gives the same, sooner."""
    tokenizer, model, adapters, head = load(cfg)
    actor_optimizer = torch.optim.AdamW(adapters, lr=cfg.actor_lr, eps=1e-5, weight_decay=0.0)
    critic_optimizer = torch.optim.Adam(head.parameters(), lr=cfg.critic_lr, eps=1e-5)
    rng = np.random.default_rng(cfg.seed)
    envs = [gymnasium.make(cfg.env) for _ in range(cfg.num_envs)]
    seeds = (np.random.SeedSequence(cfg.seed).generate_state(cfg.num_envs) & 0x7FFFFFFF).tolist()
    seen = [env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)]

    def values_of(prompts: list[str]) -> Tensor:
        return torch.squeeze(head(features(cfg, model, tokenizer, prompts)), 1)

    def policies_of(prompts: list[str], actions: list[list[str]]) -> list[Tensor]:
        joint = score(model, tokenizer, prompts, actions)
        return [log_policy(cfg, tokenizer, *row) for row in zip(prompts, actions, joint, strict=True)]

    batch = cfg.num_envs * cfg.rollout_steps
    for update in range(num_updates := cfg.total_steps // batch):
        for optimizer, rate in ((actor_optimizer, cfg.actor_lr), (critic_optimizer, cfg.critic_lr)):
            optimizer.param_groups[0]["lr"] = rate * (1 - update / num_updates)
        steps = collect(cfg, lambda prompt, actions: policies_of([prompt], [actions])[0], envs, seen, rng)
        rows = [steps[i : i + cfg.num_envs] for i in range(0, batch, cfg.num_envs)]
        with torch.no_grad():
            values = torch.cat([values_of([step.prompt for step in row]) for row in rows])
            next_values = torch.cat([values_of([step.next_prompt for step in row]) for row in rows])
        advantages = advantages_of(cfg, steps, values, next_values)
        returns, old_logp = advantages + values, torch.tensor([step.logp for step in steps], dtype=cfg.dtype)
        made: dict[str, list[float]] = {"value_loss": [], "policy_loss": [], "entropy": [], "approx_kl": []}
        for index in np.split(rng.permutation(batch), cfg.minibatches):
            new = values_of([steps[i].prompt for i in index])
            clipped = values[index] + (new - values[index]).clamp(-cfg.clip, cfg.clip)
            loss = 0.5 * torch.maximum((new - returns[index]) ** 2, (clipped - returns[index]) ** 2).mean()
            critic_optimizer.zero_grad()
            torch.autograd.backward(cfg.value_coef * loss)
            nn.utils.clip_grad_norm_(head.parameters(), cfg.max_grad_norm)
            critic_optimizer.step()
            made["value_loss"].append(loss.item())
        normalized = (advantages - advantages.mean()) / advantages.std(correction=0).clamp_min(cfg.advantage_std_floor)
        for index in np.split(rng.permutation(batch), cfg.minibatches):
            if "minibatch-advantages" in cfg.published:
                fours = advantages[index].view(-1, 4)  # published: four at a time, however small their spread
                normalized[index] = ((fours - fours.mean(1, True)) / (fours.std(1, keepdim=True) + 1e-8)).flatten()
            policies = policies_of([steps[i].prompt for i in index], [steps[i].actions for i in index])
            logp = torch.stack([row[steps[i].chosen] for row, i in zip(policies, index, strict=True)])
            loss, entropy, kl = policy_loss(cfg, policies, logp, old_logp[index], normalized[index])
            for name, number in (("policy_loss", loss), ("entropy", entropy), ("approx_kl", kl)):
                made[name].append(number.item())
            if 0 < cfg.target_kl < kl:
                break
            actor_optimizer.zero_grad()
            torch.autograd.backward(loss)
            shared = list(head.parameters()) if "shared-clip" in cfg.published else []  # published: one norm over both
            nn.utils.clip_grad_norm_([*adapters, *shared], cfg.max_grad_norm)
            actor_optimizer.step()
        means = {name: float(np.mean(numbers)) for name, numbers in made.items()}
        yield {"steps": steps, "advantages": advantages, "adapters": adapters, **means}


def main() -> None:
    """Train as the command line says, and print a line for each update."""
    parser = argparse.ArgumentParser(description="TWOSOME on one page: train a language model to act.")
    parser.add_argument("--env", default=Config.env)
    parser.add_argument("--seed", type=int, default=Config.seed)
    parser.add_argument("--published", nargs="*", choices=MISTAKES, help="mistakes to make; all, if none is named")
    given = parser.parse_args()
    published = frozenset(MISTAKES if given.published == [] else given.published or ())
    torch.set_num_threads(1)
    for number, update in enumerate(train(Config(env=given.env, seed=given.seed, published=published)), start=1):
        reward, done = sum(step.reward for step in update["steps"]), sum(step.terminated for step in update["steps"])
        print(f"update {number:3}: reward {reward:+7.3f}, {done:2} solved, entropy {update['entropy']:.3f}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
