"""The decision about one person, from what is known of them: a pure function of vector, models and catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.nba import rules, value
from models.nba.catalogue import Action, Catalogue
from models.nba.rules import People, Refusal
from serving.champion import Champions
from serving.scores import Candidates, Scores, Visitor, of_candidates, of_customer, of_visitor


@dataclass(frozen=True)
class Person:
    """One person at the cut. ``row``: one row of features, all missing unless exactly one customer was found.

    ``no_churn`` and ``no_needs`` say why no score may be given (``None``: it may). ``certain``: it is not open which
    of several customers it is. ``objects``: they object to profiling; their row has only what service needs.
    ``candidates`` has those it may be where that is open, ``visitor`` what is known of somebody without a name.
    """

    row: pd.DataFrame
    certain: bool
    no_churn: str | None
    no_needs: str | None
    objects: bool = False
    candidates: Candidates | None = None
    visitor: Visitor | None = None


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
    """What is likely, what to do, and what may not be done."""

    scores: Scores
    offers: tuple[Offer, ...]
    refused: tuple[Refusal, ...]


def decide(person: Person, models: Champions, actions: Catalogue, channel: str, limit: int) -> Decision:
    """What is likely, why, and the at most ``limit`` best things to do on a channel."""
    found = scores(person, models)
    row = person.row[list(actions.reads)]
    people = People.of(row, np.array([person.certain]), channel, np.array([person.objects]))
    return Decision(found, tuple(offers(people, found, actions, limit)), tuple(rules.refusals(actions, people, 0)))


def scores(person: Person, models: Champions) -> Scores:
    """What is likely of a person, by how much is known of who it is."""
    if person.visitor is not None:
        return of_visitor(models, person.visitor)
    if person.candidates is not None:
        return of_candidates(models, person.candidates)
    return of_customer(models, person.row, churn=not person.no_churn, needs=not person.no_needs)


def offers(people: People, found: Scores, actions: Catalogue, limit: int) -> list[Offer]:
    """The best allowed actions of the first of ``people``. Nothing is drawn yet, so every propensity is 1.

    What somebody would do as a customer counts as often as they are one.
    """
    customer = 1.0 if found.customer is None else found.customer
    needs = {need.name: customer * need.probability for need in found.needs or ()}
    risk = np.array([customer * found.churn.risk if found.churn else np.nan])
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
