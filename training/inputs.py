"""What a run was fed with, as MLflow shows it: name, digest, columns and rows of its train and test data."""

import hashlib
import json

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Dataset as Input
from mlflow.entities import DatasetInput, InputTag

from features.dataset import Dataset
from training.fit import instant
from training.run import TrainRecord

_DIGITS = 16
_MOST_COLUMNS = 1_000


def log(client: MlflowClient, run_id: str, record: TrainRecord) -> None:
    """Attach train and test rows to a run, by digest: the rows themselves stay where they are."""
    told = [_input(data, context) for data, context in ((record.train, "training"), (record.test, "testing"))]
    client.log_inputs(run_id, datasets=told)


def digest(data: Dataset) -> str:
    """Hex digits that change with any entity, cutoff, value or column of a dataset."""
    told = hashlib.sha256(",".join(map(str, data.X.columns)).encode())
    told.update(np.ascontiguousarray(data.entity).tobytes())
    told.update(np.ascontiguousarray(data.cutoff).tobytes())
    told.update(pd.util.hash_pandas_object(data.X, index=False).to_numpy().tobytes())
    return told.hexdigest()[:_DIGITS]


def _input(data: Dataset, context: str) -> DatasetInput:
    window = (instant(data.cutoff.min()), instant(data.cutoff.max()))
    source = {"lake_fingerprint": data.fingerprint, "cutoffs": window, "labels_known_by": instant(data.seen)}
    types = {name: "string" if isinstance(data.X[name].dtype, pd.CategoricalDtype) else "float" for name in data.X}
    columns = [{"type": kind, "name": str(name), "required": False} for name, kind in types.items()][:_MOST_COLUMNS]
    told = Input(
        name=f"{data.task.name} {context} {window[0][:10]} to {window[1][:10]}",
        digest=digest(data),
        source_type="tieline lake",
        source=json.dumps(source),
        schema=json.dumps({"mlflow_colspec": columns}),
        profile=json.dumps({"num_rows": len(data.X), "num_elements": int(data.X.size)}),
    )
    return DatasetInput(told, [InputTag("mlflow.data.context", context)])
