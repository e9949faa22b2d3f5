"""An environment of text, to begin with: change it to what you have in mind.

python -m pytest test_template.py                    its tests
twosome check-env template:Template --model hearth   everything that is wrong with it, at once
twosome doctor template:Template                     how a model reads its words
twosome train --env template:Template                train in it
twosome eval RUN --env-kwargs '{"split": "test"}'    measure a run on tasks that it never met
"""

from typing import Any

import gymnasium
import numpy as np

import twosome

THINGS = {
    "train": ("the tomato", "the onion", "the lettuce", "the bread"),
    "test": ("the carrot", "the cheese", "the apple"),
}


class Template(twosome.TextEnv):
    """Bring what is wanted from the cupboard to the table."""

    # A model reads, one after the other: the goal, the history, the observation, the cue and one of the phrases. Write
    # the first three in whole sentences, and phrases that complete "Now you".
    history = 1  # how many of the past observations, with what was done, are told again
    max_steps = 20  # an episode that is not done by then is cut off
    gamma = 0.95  # discount of each action

    def begin(self, rng: np.random.Generator, split: str) -> twosome.Turn:
        """Begin an episode. What is random comes from rng alone, so that a seed gives the same episode again."""
        self.things = THINGS[split]
        self.wanted = str(rng.choice(self.things))
        self.held = ""
        self.is_open = False
        self.goal = f"You want to bring {self.wanted} to the table."
        return self.look()

    def act(self, action: tuple[str, str]) -> twosome.Turn:
        """Carry out an action: what `look` has put beside its phrase."""
        verb, thing = action
        if verb == "bring":  # the end; a score of the game so far, score=..., can stand in place of a reward
            found = thing == self.wanted
            return twosome.Turn(reward=float(found), done=True, success=found)
        if verb == "take":
            self.held = thing
        elif verb == "put back":
            self.held = ""
        else:
            self.is_open = verb == "open"
        return self.look()

    def look(self) -> twosome.Turn:
        """What there is to see, and all that can be done now: as many phrases as there are."""
        if self.held:
            seen = f"You hold {self.held}."
            actions = {
                f"bring {self.held} to the table": ("bring", self.held),
                f"put {self.held} back": ("put back", self.held),
            }
        elif self.is_open:
            seen = f"The cupboard is open. In it are {', '.join(self.things)}."
            actions = {f"take {thing}": ("take", thing) for thing in self.things}
            actions["close the cupboard"] = ("close", "")
        else:
            seen = "The cupboard is closed."
            actions = {"open the cupboard": ("open", ""), "wait": ("wait", "")}
        return twosome.Turn(seen, actions)

    # These two are optional: with them a run that was interrupted goes on exactly as it would have.

    def save_state(self) -> dict[str, Any]:
        """All that the rest of the episode depends on, beside goal, history and random numbers, as plain JSON."""
        return {"things": self.things, "wanted": self.wanted, "held": self.held, "is_open": self.is_open}

    def load_state(self, state: dict[str, Any]) -> twosome.Turn:
        """Go back to it."""
        self.things, self.wanted = tuple(state["things"]), state["wanted"]
        self.held, self.is_open = state["held"], state["is_open"]
        return self.look()


gymnasium.register("Template-v0", entry_point=f"{__name__}:Template")
