"""Nothing but `features.spark` needs Spark, and what that lacks is said in words."""

import ast
import importlib
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_only_one_file_imports_spark_and_only_commands_import_that_file():
    for package in ("features", "models", "training", "serving"):
        for path in (ROOT / package).rglob("*.py"):
            if path != ROOT / "features" / "spark.py":
                names = imported(path)
                assert not {n for n in names if n.split(".")[0] == "pyspark" or n == "features.spark"}, path


def test_without_pyspark_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.errors", None)
    monkeypatch.delitem(sys.modules, "features.spark", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'tieline\[spark\]'"):
        importlib.import_module("features.spark")


def test_without_java_it_is_java_that_is_asked_for(monkeypatch):
    pytest.importorskip("pyspark", reason="needs the extra spark: pip install 'tieline[spark]'")
    spark = importlib.import_module("features.spark")
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(spark.SparkError, match="Spark needs Java 17 or newer"):
        spark.session("local[1]").__enter__()
