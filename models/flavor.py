"""What MLflow needs to know of a model's folder so that `mlflow.pyfunc` and `mlflow models serve` can use it.

The file holds no code and nothing that is unpickled: it names `models.served`, which loads the folder as any other
caller does, and checks every hash. It says nothing of when or by whom: the same model has the same id wherever this
version of Python made it.
"""

import json
import platform
from collections.abc import Iterable, Sequence

import yaml

FLAVOR = "MLmodel"
LOADER = "models.served"


def flavor(columns: Iterable[tuple[str, str]], answers: Sequence[str]) -> str:
    """The text of ``MLmodel``: ``columns`` are (name, "number" or "category"), ``answers`` what the result has."""
    types = {"number": "float", "category": "string"}
    inputs = [{"type": types[kind], "name": name, "required": False} for name, kind in columns]
    outputs = [{"type": "double", "name": name, "required": True} for name in answers]
    said = {
        "flavors": {"python_function": {"loader_module": LOADER, "python_version": platform.python_version()}},
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs), "params": None},
    }
    return yaml.safe_dump(said, sort_keys=True)
