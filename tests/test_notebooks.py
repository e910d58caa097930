"""The notebooks run, and what they keep is what they print."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]


LONG = ("03_churn", "04_needs")
"""They fit models of a whole operator, a minute and a half each: run with the slow tests."""
PATHS = [
    pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if path.stem in LONG else [])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb"))
]


@pytest.mark.parametrize("path", PATHS)
def test_the_notebook_runs_and_is_kept_executed(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code), "keep the notebook executed"
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error"]
    assert str(ROOT) not in path.read_text(), "a notebook names no path of the machine it ran on"
    environment = {**os.environ, "TIELINE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    client = NotebookClient(kept, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}})
    client.execute(env=environment)


def test_notebooks_define_nothing() -> None:
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            lines = cell.source.splitlines() if cell.cell_type == "code" else []
            assert not [line for line in lines if line.startswith(("def ", "class "))], path
