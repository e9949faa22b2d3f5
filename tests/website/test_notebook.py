"""The notebook runs from its first cell to its last, and a reader sees what its text promises."""

import json

import pytest

from website.hooks import DOCS

NOTEBOOK = DOCS / "notebooks" / "first-run.ipynb"


def test_the_notebook_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text("utf-8"))["cells"]
    assert not [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")]


@pytest.mark.slow
def test_the_notebook_trains_plots_and_watches(tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[docs]'")
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(json.dumps(cell.outputs) for cell in notebook.cells if cell.cell_type == "code")
    assert "image/png" in shown
    assert "success: " in shown
    assert (tmp_path / "trained.html").stat().st_size > 10_000
