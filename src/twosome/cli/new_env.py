"""`twosome new-env`: an environment of one's own to begin with, and its test."""

import importlib.util
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

import twosome
from twosome.cli.parse import parse
from twosome.console import plain_console
from twosome.errors import ConfigError, RunError, quote

TEST = '''"""What template.py promises."""

import template
from twosome.envs import text


def test_it_keeps_the_contract_of_environments():
    text.check_contract(text.make("template:Template"))


def test_what_is_wanted_on_the_table_is_success():
    env = template.Template()
    observation, _ = env.reset(seed=0)
    wanted = observation["prompt"].removeprefix("You want to bring ").partition(" to the table")[0]
    for phrase in ("open the cupboard", f"take {wanted}", f"bring {wanted} to the table"):
        observation, reward, done, _, info = env.step(observation["actions"].index(phrase))
    assert (reward, done, info["success"]) == (1.0, True, True)


def test_training_never_meets_the_things_of_the_test():
    assert not set(template.THINGS["train"]) & set(template.THINGS["test"])
'''


@dataclass(frozen=True)
class NewEnv:
    """Write an environment of text to begin with: NAME.py, commented, and test_NAME.py, which passes at once.

    Examples:
        twosome new-env pantry
        twosome new-env pantry --folder my-project
    """

    name: Annotated[str, tyro.conf.Positional]
    """Of the module, such as pantry; the environment's class has the same name in capitals, Pantry."""
    folder: Path = Path()
    """Where to write the two files; by default the current folder."""


def main(arguments: Sequence[str]) -> int:
    """Parse, write, say what to do next."""
    options = parse(NewEnv, "new-env", arguments)
    name, kind = options.name, _class_name(options.name)
    source = Path(twosome.__file__).parent / "envs" / "template.py"
    files = {f"{name}.py": source.read_text(), f"test_{name}.py": TEST}
    for file in files:
        if (options.folder / file).exists():
            raise ConfigError(f"{options.folder / file} is there already. Choose another name, or move it away.")
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (options.folder / file).write_text(text.replace("template", name).replace("Template", kind))
    except OSError as error:
        raise RunError(f"{options.folder} cannot be written to: {error.strerror}. Give another --folder.") from error
    console = plain_console()
    console.print(f"{options.folder / name}.py and test_{name}.py are written. Next, in that folder:", soft_wrap=True)
    for command in (
        f"python -m pytest test_{name}.py",
        f"twosome check-env {name}:{kind} --model hearth",
        f"twosome train --env {name}:{kind}",
    ):
        console.print(f"  {command}", soft_wrap=True)
    return 0


def _class_name(name: str) -> str:
    """The name of the class in a module of this name."""
    is_name = name.isidentifier() and name.isascii() and name[0].isalpha() and name == name.lower()
    if not is_name or keyword.iskeyword(name):
        raise ConfigError(
            f"the name is {quote(name)}; expected that of a Python module, of small letters, digits and _ after a "
            "letter, such as pantry."
        )
    if importlib.util.find_spec(name) is not None:
        raise ConfigError(f"there is a module {quote(name)} already. Choose another name, such as my_{name}.")
    return "".join(part.capitalize() for part in name.split("_"))
