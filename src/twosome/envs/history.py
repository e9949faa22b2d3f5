"""What an environment was asked to do: enough to say where it stands, and to ask it the same again."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class EpisodePosition:
    """Where an environment stands.

    Attributes:
        seed: of its last reset with one; None: it was reset without.
        episode: counted from 1 since then.
        step: decisions carried out in the episode, the one under way included.
    """

    seed: int | None = None
    episode: int = 0
    step: int = 0

    def __str__(self) -> str:
        seed = "without a seed" if self.seed is None else f"seed {self.seed}"
        return f"{seed}, episode {self.episode}"


@dataclass
class History:
    """What was asked of an environment since it was reset with a seed, or put into a saved state.

    Attributes:
        position: where it stands.
        start: where it stood then.
        state: that it was put into, as `get_state` returned it; None: it was reset with the seed.
        elapsed: of its time limits then.
        actions: of each episode since, the ids; the last is under way.
        phrases: of the actions of the episode under way.
    """

    position: EpisodePosition = field(default_factory=EpisodePosition)
    start: EpisodePosition = field(default_factory=EpisodePosition)
    state: dict[str, Any] | None = None
    elapsed: list[int | None] = field(default_factory=list)
    actions: list[list[int]] = field(default_factory=lambda: [[]])
    phrases: list[str] = field(default_factory=list)

    def reset(self, seed: int | None) -> None:
        """Note the beginning of an episode, from a seed or from what the environment draws."""
        episodes = self.position.episode
        if seed is None:
            seed = self.position.seed
        else:
            episodes, self.state, self.elapsed = 0, None, []
            self.actions.clear()
            self.start = EpisodePosition(seed, 1)
        self.position = EpisodePosition(seed, episodes + 1)
        self.actions.append([])
        self.phrases.clear()

    def step(self, action: object, phrase: str | None) -> None:
        """Note an action; without a phrase it is none that there is."""
        seed, episode, step = self.position.seed, self.position.episode, self.position.step
        self.position = EpisodePosition(seed, episode, step + 1)
        if phrase is not None:
            self.actions[-1].append(int(action))  # type: ignore[call-overload]
            self.phrases.append(phrase)

    def restore(self, position: EpisodePosition, state: dict[str, Any], elapsed: list[int | None]) -> None:
        """Note that the environment was put into a state."""
        self.position = self.start = position
        self.state, self.elapsed = state, elapsed
        self.actions, self.phrases = [[]], []
