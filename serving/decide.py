"""The decision about one person, from what is known of them: a pure function of vector, models and catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from features.conditions import DAY
from models.nba import rules, value
from models.nba.catalogue import Action, Catalogue
from models.nba.rules import People, Refusal
from models.reasons import Reason, reasons
from serving.champion import Champions

_SHOWN = 5
_SMALLEST = 0.05
"""Points of risk; a smaller effect would be said as 0.0."""


@dataclass(frozen=True)
class Person:
    """One person at the cut. ``row``: one row of features, all missing unless exactly one customer was found.

    ``no_churn`` and ``no_needs`` say why no score may be given (``None``: it may). ``certain``: it is not open which
    of several customers it is. ``objects``: they object to profiling; their row has only what service needs.
    """

    row: pd.DataFrame
    certain: bool
    no_churn: str | None
    no_needs: str | None
    objects: bool = False


@dataclass(frozen=True)
class Churn:
    """Days after the cut -> probability of having left by then, and where the last stands among all customers."""

    curve: Mapping[int, float]
    band: Literal["low", "medium", "high"]
    reasons: tuple[Reason, ...]

    @property
    def risk(self) -> float:
        """The probability at the last horizon."""
        return self.curve[max(self.curve)]


@dataclass(frozen=True)
class Offer:
    """An action in its slot. ``parts``: the terms of ``value``; ``stay``: reduction of the risk of leaving."""

    action: Action
    value: float
    parts: Mapping[str, float]
    need: float | None
    stay: float
    slot: int
    propensity: float


@dataclass(frozen=True)
class Decision:
    """``churn`` and ``needs`` (likeliest first) are ``None`` where the person has no such score."""

    churn: Churn | None
    needs: tuple[tuple[str, float], ...] | None
    offers: tuple[Offer, ...]
    refused: tuple[Refusal, ...]


def decide(person: Person, models: Champions, actions: Catalogue, channel: str, limit: int) -> Decision:
    """What is likely, why, and the at most ``limit`` best things to do on a channel."""
    churn = None if person.no_churn else score_churn(models, person.row)
    needs = None if person.no_needs else score_needs(models, person.row)
    row = person.row[list(actions.reads)]
    people = People.of(row, np.array([person.certain]), channel, np.array([person.objects]))
    return Decision(
        churn,
        needs,
        tuple(offers(people, churn, dict(needs or ()), actions, limit)),
        tuple(rules.refusals(actions, people, 0)),
    )


def score_churn(models: Champions, row: pd.DataFrame) -> Churn:
    """The risk of leaving, its band, and the strongest reasons."""
    model, label = models.churn.model, models.churn_label
    row = row[list(model.features)]
    curve = model.predict(row)[label][0]
    days = [edge // DAY for edge in model.edges]
    why = tuple(r for r in reasons(model, row, label)[:_SHOWN] if abs(r.effect) >= _SMALLEST)
    return Churn(dict(zip(days, curve.tolist(), strict=True)), model.band(label, float(curve[-1])), why)


def score_needs(models: Champions, row: pd.DataFrame) -> tuple[tuple[str, float], ...]:
    """(need, probability at the last horizon), likeliest first, ties by name."""
    model = models.needs.model
    found = {need: float(p[0, -1]) for need, p in model.predict(row[list(model.features)]).items()}
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def offers(
    people: People, churn: Churn | None, needs: Mapping[str, float], actions: Catalogue, limit: int
) -> list[Offer]:
    """The best allowed actions of the first of ``people``. Nothing is drawn yet, so every propensity is 1."""
    risk = np.array([churn.risk if churn else np.nan])
    worth = value.customer_value(actions, people.columns[actions.customer_value.monthly_value])
    parts = value.parts(actions, {need: np.array([p]) for need, p in needs.items()}, risk, worth)
    stay = np.nan_to_num(value.stay_effect(actions, risk)[0], nan=0.0)
    best = value.order(actions, parts.total[0], rules.allowed(actions, people)[0])[:limit]
    return [
        Offer(
            action=actions.choices[i],
            value=float(parts.total[0, i]),
            parts={name: float(term[0, i]) for name, term in vars(parts).items()},
            need=max((needs[n] for n in actions.choices[i].needs if n in needs), default=None),
            stay=float(stay[i]),
            slot=slot,
            propensity=1.0,
        )
        for slot, i in enumerate(best, start=1)
    ]
