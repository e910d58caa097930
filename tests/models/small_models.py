"""Small models really fitted on rows with known hazards; every tenth row does not say how much pain there was."""

from functools import cache

import numpy as np
from known_hazards import EDGES, known, staggered

from models.bundle import Bands, FeatureSpec, LabelSpec, Manifest, Model, booster_files
from models.encode import Encoder
from models.hazard import Params, fit

QUICK = Params(num_leaves=7, learning_rate=0.1, rounds=40, patience=10, folds=2, num_threads=1)
GROUPS = {"pain": "faults", "plan": "contract", "noise": "contract"}
TYPICAL = {"pain": 0.0, "plan": "basic", "noise": 0.5}


@cache
def small_model(open_ended: bool = False) -> Model:
    """Two labels: one with competing endings, one without."""
    n, hazards, specs = 3_000, {}, {}
    rows = known(n, open_ended=open_ended)
    X = rows.X.assign(pain=rows.X.pain.where(np.arange(n) % 10 > 0))
    encoder = Encoder.fit(X)
    for label, competing in (("leaves", 0.06), ("calls", 0.06 if open_ended else 0.0)):
        seen = known(n, competing=competing, open_ended=open_ended).seen(staggered(n))
        found = fit(
            encoder.transform(X),
            *seen,
            EDGES,
            label=label,
            groups=np.arange(n),
            seed=0,
            open_ended=open_ended,
            params=QUICK,
        )
        hazards[label] = found
        specs[label] = LabelSpec(
            boosters=booster_files(label, len(found.boosters)),
            classes=found.classes,
            calibration=found.calibration,
            bands=Bands(medium=0.2, high=0.4),
            fitted=found.fitted,
        )
    kinds = {name: "category" if name in encoder.vocabularies else "number" for name in encoder.names}
    manifest = Manifest(
        task="churn",
        entity="customer",
        features=tuple(
            FeatureSpec(
                name=name,
                kind=kinds[name],
                group=GROUPS[name],
                typical=TYPICAL[name],
                fill=None if name == "pain" else TYPICAL[name],
            )
            for name in encoder.names
        ),
        vocabularies=dict(encoder.vocabularies),
        edges=tuple(EDGES.tolist()),
        open_ended=open_ended,
        gap=0,
        label_delay=0,
        labels=specs,
        rows=n,
        cutoffs=(0, 1),
        labels_known_by=2,
        fingerprint="none",
    )
    return Model(manifest, hazards)
