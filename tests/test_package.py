"""The wheel carries everything, the embedded model included, and works outside the checkout."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCORE = ["score", "You want to boil an egg. You stand at the stove. Now you", "boil the egg", "go to bed", "--json"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def run(python: str, *arguments: str, cwd: Path, **environment: str) -> str:
    answer = subprocess.run(
        [python, *arguments], cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


def test_the_wheel_holds_the_package_the_model_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {
        "twosome/py.typed",
        "twosome/models/hearth/model.safetensors",
        "twosome/models/hearth/tokenizer.json",
    } <= set(names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"twosome"}
    assert wheel.stat().st_size < 8 * 2**20


def test_the_unpacked_wheel_scores_with_the_embedded_model_outside_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    where = run(sys.executable, "-c", "import twosome; print(twosome.__file__)", cwd=tmp_path, **environment)
    assert where.strip().startswith(str(tmp_path))
    document = json.loads(run(sys.executable, "-m", "twosome", *SCORE, cwd=tmp_path, **environment))
    assert [row["action"] for row in document["actions"]] == ["boil the egg", "go to bed"]
