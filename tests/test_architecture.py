"""The house stays as drawn: imports point down, and nothing in the pipeline can see the simulator's truth."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "features": {"features"},
    "models": {"models"},
    "training": {"training", "features", "models"},
    "serving": {"serving", "features", "models"},
    "commands": {"commands", "serving", "training", "features", "models"},
}
OURS = {*MAY_IMPORT, "tieline"}


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_layer_imports_only_what_lies_below_it(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        ours = {name.split(".")[0] for name in imports(path)} & OURS
        assert ours <= MAY_IMPORT[package], f"{path.relative_to(ROOT)} imports {sorted(ours - MAY_IMPORT[package])}"


def test_no_part_of_the_pipeline_imports_the_simulators_truth() -> None:
    for package in (*MAY_IMPORT, "tieline.py"):
        for path in [ROOT / package] if package.endswith(".py") else (ROOT / package).rglob("*.py"):
            if path.parent != ROOT / "features" / "simulator" / "truth":
                assert not {name for name in imports(path) if name.startswith("features.simulator.truth")}, path


def test_only_commands_import_inside_functions() -> None:
    for package in set(MAY_IMPORT) - {"commands"}:
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            inner = [
                node.lineno
                for function in ast.walk(tree)
                if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
                for node in ast.walk(function)
                if isinstance(node, ast.Import | ast.ImportFrom)
            ]
            assert not inner, f"{path.relative_to(ROOT)}: imports inside functions at lines {inner}"


def test_help_loads_no_layer() -> None:
    code = "import sys, tieline; print(sorted({'pandas', 'numba', 'mlflow', 'features'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
