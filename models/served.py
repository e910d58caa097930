"""A model's folder as an MLflow python function: ``mlflow.pyfunc.load_model("models:/churn@champion")``.

It answers with what the model answers elsewhere, for frames as MLflow hands them over: any order of columns, words as
text, columns that are not there at all missing.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models import bundle
from models.bundle import Model


class Served:
    """Probabilities of a loaded model."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, data: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """One column ``<label>.<horizon>`` for every label and horizon, a row for every row of ``data``."""
        found = self.model.predict(pd.DataFrame({f.name: self._column(data, f) for f in self.model.manifest.features}))
        columns = {name: p[:, k] for p, names in self._answers(found) for k, name in enumerate(names)}
        return pd.DataFrame(columns, index=data.index)

    def _answers(self, found: dict[str, np.ndarray]) -> list[tuple[np.ndarray, list[str]]]:
        return [(p, self.model.manifest.answers_of(label)) for label, p in found.items()]

    def _column(self, data: pd.DataFrame, feature: bundle.FeatureSpec) -> pd.Series:
        given = data[feature.name] if feature.name in data else pd.Series(np.nan, data.index)
        if feature.kind == "category":
            return given.astype(object).where(given.notna(), None).astype("category")
        return pd.to_numeric(given).astype(np.float32)


def _load_pyfunc(path: str) -> Served:
    """What MLflow calls, with the folder it has downloaded; `BundleError` where that is not whole and unchanged."""
    return Served(bundle.load(Path(path)))
