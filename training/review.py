"""What a reviewer needs to say yes or no: a model beside those that stand, by slice and by sampler, and the verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from features.conditions import duration
from features.dataset import EVENT, Dataset
from features.declare import Calendar
from models.bundle import Model
from training import evaluate, gates, slices
from training.drift import Drift, drift
from training.evaluate import Scored
from training.gates import Check, Margins, Verdict, Window
from training.parts import Part, Wanted, parts
from training.prepare import Prepared, Standing
from training.run import TrainRecord
from training.slices import Slice

THIS = "this model"
LIVE, UNNAMED = "live", "unnamed"
_SAMPLE = 2_000
Told = Mapping[str, Sequence[Scored]]


@dataclass(frozen=True)
class Review:
    """``beside``: a row of metrics for every model, sampler (``calendar``, ``live``: just after a contact, ``unnamed``:
    visitors of whom only the key is known), label and horizon. ``slices``: label -> the slices at the headline horizon;
    ``worse``: those that lost to the champion beyond chance, in words, whether or not that refuses.
    """

    verdict: Verdict
    versions: Mapping[str, int]
    beside: pd.DataFrame = field(repr=False)
    slices: Mapping[str, Sequence[Slice]] = field(default_factory=dict, repr=False)
    worse: tuple[str, ...] = ()
    drift: Drift | None = None
    assumed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def figures(self) -> dict[str, float]:
        """``live.<label>.<horizon>.<metric>`` of other ways of asking, ``champion. ...`` of those beside, and parts."""
        found: dict[str, float] = {}
        for (model, sampler), rows in self.beside.groupby(["model", "sampler"], sort=False):
            place = sampler if model == THIS else model
            if (model, sampler) != (THIS, self.beside.sampler.iloc[0]) and sampler != UNNAMED:
                figures = evaluate.flat(rows.drop(columns=["model", "sampler"]))
                found |= {f"{place}.{name}": value for name, value in figures.items()}
        for part in self.parts:
            found |= part.figures
        return found


def review(
    record: TrainRecord,
    prepared: Prepared,
    standing: Standing,
    *,
    told: Told | None = None,
    margins: Margins | None = None,
    waived: Mapping[str, str] | None = None,
    wanted: Wanted | None = None,
) -> Review:
    """The review of a fitted model; ``told``: what the standing models said of the test rows, if that is known already.

    ``waived``: check -> who decided that it shall not refuse, and why; ``wanted``: what else to lay out.
    """
    margins = replace(margins or Margins(), ceiling=record.train.task.ceiling)
    told = spoken(standing, prepared.test) if told is None else told
    found = {scored.label: _slices(scored, prepared.test, told) for scored in _headline(record)}
    worse = tuple(f"{label}: {s.words}" for label, each in found.items() for s in slices.fallen(each, 0.05, 0.0))
    return Review(
        verdict=judged(record, prepared, told, margins).waiving(waived or {}),
        versions=standing.versions,
        beside=_beside(record, prepared, told),
        slices=found,
        worse=worse,
        drift=moved(standing, told, prepared),
        assumed=prepared.assumed,
        parts=parts(record, prepared, tuple(_headline(record)), wanted) if wanted else (),
    )


def spoken(standing: Standing, test: Dataset) -> dict[str, list[Scored]]:
    """What the standing models say of the test rows."""
    return {name: evaluate.score(model, test.select(model.features)) for name, model in standing.models.items()}


def judged(record: TrainRecord, prepared: Prepared, told: Told, margins: Margins) -> Verdict:
    """The gate's checks for every label of a fitted model, beside what the standing ones ``told`` of the same rows."""
    mine = _headline(record)
    if not mine:
        return Verdict((Check("outcomes", False, "no test outcome is known yet"),))
    checks: list[Check] = []
    for scored in mine:
        window = Window(
            scored.y,
            scored.p,
            prepared.test.groups[scored.known],
            {name: s.p for name, s in _same(told, scored).items()},
            slices.values_of(prepared.test.X[scored.known], _columns(prepared.test)),
            record.test.X[scored.known],
            _soon(prepared.test, scored),
        )
        found = gates.judge(window, margins, share=len(mine))
        name = f"{scored.label} {scored.horizon}, " if len(mine) > 1 else ""
        checks += [replace(check, name=f"{name}{check.name}") for check in found.checks]
    checks.append(_speed(record.model, record.test.X, margins))
    return Verdict(tuple(checks))


def moved(standing: Standing, told: Told, prepared: Prepared) -> Drift | None:
    """Of the columns the champion reads: since the later half of the cutoffs it was trained on, as long windows are
    missing where the feeds began; of its levels: on matured outcomes. ``None`` without a champion.
    """
    old = standing.models.get("champion")
    if old is None:
        return None
    train, test = prepared.train, prepared.test
    seen = train.cutoff <= old.manifest.cutoffs[1]
    seen &= train.cutoff >= np.median(train.cutoff[seen]) if seen.any() else seen
    names, newest = list(old.features), test.cutoff == test.cutoff.max()
    before = train.X.loc[seen if seen.any() else np.ones(len(seen), bool), names]
    last: Mapping[str, tuple[np.ndarray, np.ndarray]] = {s.label: (s.y, s.p) for s in told["champion"] if len(s.y)}
    return drift(before, test.X.loc[newest, names], dict(last))


def _headline(record: TrainRecord) -> list[Scored]:
    horizon = record.headline.get("horizon")
    return [s for s in record.scored if s.horizon == horizon]


def _same(told: Told, scored: Scored) -> dict[str, Scored]:
    """What the others say of the same label and horizon."""
    place = (scored.label, scored.horizon)
    return {name: s for name, said in told.items() for s in said if (s.label, s.horizon) == place}


def _columns(test: Dataset) -> Sequence[str]:
    """Those the task names; without any, all with words."""
    words = [str(name) for name in test.X if isinstance(test.X[name].dtype, pd.CategoricalDtype)]
    return test.task.slices or words


def _slices(scored: Scored, test: Dataset, told: Told) -> list[Slice]:
    champion = _same(told, scored).get("champion")
    values = slices.values_of(test.X[scored.known], _columns(test))
    return slices.by_slice(scored.y, scored.p, test.groups[scored.known], values, champion.p if champion else None)


def _soon(test: Dataset, scored: Scored) -> np.ndarray:
    outcome = next(o for o in test.outcomes if o.name == scored.label)
    soon = (outcome.ending == EVENT) & (outcome.after < duration(test.task.lead))
    return np.asarray(soon[scored.known])


def _beside(record: TrainRecord, prepared: Prepared, told: Told) -> pd.DataFrame:
    asked = "calendar" if isinstance(record.train.task.cutoffs, Calendar) else "triggered"
    parts = [(THIS, asked, record.detail)]
    parts += [(name, asked, evaluate.table(said)) for name, said in told.items()]
    if prepared.live is not None:
        live = prepared.live.select(record.model.features)
        parts.append((THIS, LIVE, evaluate.table(evaluate.score(record.model, live))))
    if record.visitors is not None:
        parts.append((THIS, UNNAMED, record.visitors.detail))
    return pd.concat([table.assign(model=who, sampler=sampler) for who, sampler, table in parts], ignore_index=True)


def _speed(model: Model, X: pd.DataFrame, margins: Margins) -> Check:
    rows = X.head(_SAMPLE)
    begun = time.perf_counter()
    model.predict(rows)
    return gates.quick_enough(time.perf_counter() - begun, len(rows), margins)


def read_back(record: TrainRecord, from_disk: Model) -> Check:
    """What was registered answers as what was judged, whatever order the columns stand in."""
    rows = record.test.X.head(_SAMPLE)
    mine, theirs = record.model.predict(rows), from_disk.predict(rows[rows.columns[::-1]])
    return gates.same_answers(*(np.concatenate([p.ravel() for p in said.values()]) for said in (mine, theirs)))
