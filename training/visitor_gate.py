"""May a model of those without a name answer? The same checks, of what comes given a customer and of being named."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from features.visitors import NAMED
from models.bundle import Model
from training import evaluate, gates
from training.gates import Margins, Verdict, Window
from training.visitors import VisitorRecord, named_soon


def judged_visitors(visitors: VisitorRecord, champion: Model | None = None, margins: Margins | None = None) -> Verdict:
    """The checks of every label at the headline horizon and of being named soon, beside a champion that reads the same
    columns (another cannot be asked about these rows).
    """
    horizon = visitors.headline.get("horizon")
    beside = champion if champion and set(champion.features) <= set(visitors.test.asked.X.columns) else None
    windows = [
        *_windows(visitors, beside, str(horizon)),
        *_named(visitors, beside),
    ]
    checks = [
        replace(check, name=f"{label}, {check.name}")
        for label, window in windows
        for check in gates.judge(window, margins, share=len(windows)).checks
    ]
    return Verdict(tuple(checks))


def _windows(visitors: VisitorRecord, beside: Model | None, horizon: str) -> list[tuple[str, Window]]:
    given = visitors.test.given
    mine = evaluate.score(visitors.model, given)
    theirs = evaluate.score(beside, given.select(beside.features)) if beside else []
    said = {(s.label, s.horizon): s.p for s in theirs}
    return [
        (s.label, Window(s.y, s.p, given.groups[s.known], _others(said.get((s.label, s.horizon)))))
        for s in mine
        if s.horizon == horizon
    ]


def _named(visitors: VisitorRecord, beside: Model | None) -> list[tuple[str, Window]]:
    asked = visitors.test.asked
    mine = named_soon(visitors.model, asked)[-1]
    known = beside and NAMED in beside.labels
    theirs = named_soon(beside, asked.select(beside.features))[-1].p if beside and known else None
    return [(NAMED, Window(mine.y, mine.p, asked.groups[mine.known], _others(theirs)))]


def _others(p: np.ndarray | None) -> Mapping[str, np.ndarray]:
    return {} if p is None else {"champion": p}
