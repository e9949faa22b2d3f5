"""Dependencies point one way. The table says who may import whom inside the package, and who may import torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "twosome"

# Modules directly below twosome that anybody may import: they depend on nothing but each other.
COMMON = {
    "",
    "console",
    "errors",
    "decision",
    "documents",
    "extras",
    "files",
    "models",
    "observation",
    "run_files",
    "setting_types",
    "statistics",
}

ALLOWED = {
    "": set(),
    "__init__": {"agent", "algorithms", "config", "decision", "envs", "ppo", "report", "scoring"},
    "__main__": {"cli"},
    "_malloc": set(),
    "agent": {"config", "envs", "evaluate", "play", "policy", "rollout", "setting_types"},
    "algorithms": set(),
    "config": {"algorithms", "json_argument", "machine"},
    "console": set(),
    "checkpoint_schema": {"config", "runs"},
    "checkpoint_tensors": set(),
    "decision": set(),
    "distributed": {"launch"},
    "documents": set(),
    "errors": set(),
    "files": set(),
    "estimate": {"scoring"},
    "extras": set(),
    "json_argument": set(),
    "launch": set(),
    "machine": set(),
    "minimal": {"envs"},
    "models": {"checkpoint_tensors"},
    "observation": set(),
    "trust": {"config", "checkpoint_schema", "runs"},
    "on_ray": set(),
    "opponent": {"config", "policy", "runs"},
    "progress": {"config"},
    "run_files": set(),
    "runs": set(),
    "setting_types": set(),
    "statistics": set(),
    "symptoms": set(),
    "versions": set(),
    "tracking": {"config", "runs"},
    "envs": {"envs", "trust"},
    "scoring": {"scoring"},
    "play": {"envs", "policy", "rollout"},
    "policy": {
        "policy",
        "distributed",
        "envs",
        "scoring",
        "config",
        "checkpoint_schema",
        "checkpoint_tensors",
        "trust",
        "runs",
    },
    "rollout": {"envs", "policy"},
    "ppo": {
        "ppo",
        "algorithms",
        "estimate",
        "distributed",
        "play",
        "rollout",
        "policy",
        "scoring",
        "envs",
        "config",
        "checkpoint_schema",
        "checkpoint_tensors",
        "trust",
        "launch",
        "progress",
        "runs",
        "symptoms",
        "tracking",
        "versions",
        "_malloc",
    },
    "baselines": {"baselines", "config", "envs", "policy", "ppo", "rollout", "scoring"},
    "evaluate": {
        "evaluate",
        "algorithms",
        "baselines",
        "play",
        "rollout",
        "policy",
        "ppo",
        "scoring",
        "envs",
        "config",
        "checkpoint_schema",
        "trust",
        "report",
        "runs",
        "symptoms",
        "versions",
    },
    "bench": {
        "bench",
        "_malloc",
        "baselines",
        "minimal",
        "rollout",
        "policy",
        "ppo",
        "scoring",
        "envs",
        "config",
        "versions",
    },
    "serve": {"serve", "envs", "evaluate", "policy", "report", "runs", "scoring", "trust"},
    "report": {"report", "config", "trust", "runs", "symptoms", "versions"},
    "experiment": {
        "experiment",
        "baselines",
        "evaluate",
        "policy",
        "ppo",
        "report",
        "scoring",
        "rollout",
        "envs",
        "config",
        "checkpoint_schema",
        "trust",
        "runs",
        "versions",
    },
    "cli": {
        "cli",
        "_malloc",
        "bench",
        "config",
        "distributed",
        "json_argument",
        "launch",
        "envs",
        "evaluate",
        "experiment",
        "on_ray",
        "trust",
        "progress",
        "policy",
        "ppo",
        "report",
        "runs",
        "scoring",
        "serve",
        "symptoms",
        "versions",
    },
}

WITHOUT = {
    "envs": {"torch", "transformers", "peft"},
    "report": {"torch", "transformers", "peft", "gymnasium"},
    "experiment": {"torch", "transformers", "peft", "gymnasium"},
    "runs": {"torch", "transformers", "peft", "gymnasium"},
    "trust": {"torch", "transformers", "peft", "gymnasium"},
    "algorithms": {"torch", "transformers", "peft", "gymnasium"},
    "config": {"torch", "transformers", "peft", "gymnasium"},
    "symptoms": {"torch", "transformers", "peft", "gymnasium"},
    "scoring": {"gymnasium"},
    "policy": {"gymnasium"},
}

FILES = sorted(SOURCE.rglob("*.py"))


def part_of(path: Path) -> str:
    relative = path.relative_to(SOURCE) if path.is_relative_to(SOURCE) else path
    return relative.parts[0].removesuffix(".py")


def imports(path: Path) -> list[str]:
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; say where from"
            names += [node.module or ""]
            # `from twosome import x` may name a module
            if node.module == "twosome":
                names += [f"twosome.{alias.name}" for alias in node.names]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_imports_only_what_its_part_may(path):
    part = part_of(path)
    assert part in ALLOWED, f"{part} is new: say in this test what it may import"
    found = {name.split(".")[1] if "." in name else "" for name in imports(path) if name.split(".")[0] == "twosome"}
    found -= {"__version__"}
    assert found <= ALLOWED[part] | COMMON
    outside = {name.split(".")[0] for name in imports(path)}
    assert not outside & WITHOUT.get(part, set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_shape_is_that_of_a_class_because_numpys_alias_is_none(path):
    tree = ast.parse(path.read_text())
    shaped = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "jaxtyping"
        for alias in node.names
    }
    arrays = {
        ast.unparse(node.slice.elts[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) in shaped and isinstance(node.slice, ast.Tuple)
    }
    # `numpy.typing.NDArray` and names for it are no classes since NumPy 2.5, and jaxtyping refuses them
    assert arrays <= {"np.ndarray", "Tensor"}


def test_models_are_reached_by_their_package_alone():
    names = {
        f"{path.name} imports {name}"
        for path in MODULES.values()
        if part_of(path) != "models"
        for name in imports(path)
        if name.startswith("twosome.models.")
    }
    assert not names


def test_environments_and_the_commands_that_need_no_model_do_not_load_torch():
    code = (
        "import sys, twosome, gymnasium; gymnasium.make('twosome/TomatoSalad-v0')\n"
        "import twosome.envs, twosome.cli.envs, twosome.cli.experiment, twosome.cli.report\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_table_names_only_parts_that_exist():
    assert set(ALLOWED) - {""} <= {part_of(path) for path in FILES}


ROOT = SOURCE.parents[1]
MODULES = {
    ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path
    for root, files in (
        (SOURCE.parent, FILES),
        (ROOT, [*(ROOT / "benchmarks").rglob("*.py"), *(ROOT / "hearth").rglob("*.py")]),
    )
    for path in files
}


def modules_imported_by(path: Path) -> set[str]:
    """Of the repository's own modules, wherever in the file they are imported; not what only a type checker reads."""
    tree = ast.parse(path.read_text())
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= names & set(MODULES) or {node.module or ""}
    return found & set(MODULES)


def test_no_module_imports_itself_by_way_of_others():
    graph = {name: modules_imported_by(path) - {name} for name, path in MODULES.items()}
    # What needs nothing that is left, and what nothing that is left needs, is in no circle.
    while outside := {n for n in graph if not graph[n] & set(graph) or not any(n in needs for needs in graph.values())}:
        graph = {name: needs for name, needs in graph.items() if name not in outside}
    assert not graph, f"these import each other in a circle: {sorted(graph)}"
