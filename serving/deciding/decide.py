"""The decision about one person, from what is known of them: a pure function of vector, models and catalogue."""

from typing import NamedTuple

import numpy as np

from models.nba import judging
from models.nba.catalogue import Action
from serving.deciding.panel import Panel
from serving.deciding.scores import Candidates, Scores, Visitor, of_candidates, of_customer, of_visitor
from serving.deciding.vector import Vector

PARTS = ("worth", "needs", "stay", "cost", "discount")
"""The terms of a value, in the order of `models.nba.judging`."""


class Person(NamedTuple):
    """One person at the cut. ``vector``: all missing unless exactly one customer was found.

    ``no_churn`` and ``no_needs`` say why no score may be given (``None``: it may). ``certain``: it is not open which
    of several customers it is. ``objects``: they object to profiling; their vector has only what service needs.
    ``candidates`` has those it may be where that is open, ``visitor`` what is known of somebody without a name.
    """

    vector: Vector
    certain: bool
    no_churn: str | None
    no_needs: str | None
    objects: bool = False
    candidates: Candidates | None = None
    visitor: Visitor | None = None

    @property
    def vectors(self) -> list[Vector]:
        """All that the scores and rules were read from."""
        of_others = self.candidates.vectors if self.candidates else ()
        of_visitor = [self.visitor.vector] if self.visitor and self.visitor.vector is not None else []
        return [self.vector, *of_others, *of_visitor]


class Offer(NamedTuple):
    """An action in its slot. ``parts``: the terms of ``value``, in the order of `PARTS`; ``need``: probability of the
    likeliest need it serves; ``stay``: reduction of the risk of leaving.
    """

    action: Action
    value: float
    parts: tuple[float, ...]
    need: float | None
    stay: float
    slot: int
    propensity: float


class Decision(NamedTuple):
    """What is likely, what to do, and places in `Policy.refusals` of what may not be done."""

    scores: Scores
    offers: tuple[Offer, ...]
    refused: tuple[int, ...]


def decide(person: Person, panel: Panel, channel: str, limit: int) -> Decision:
    """What is likely, why, and the at most ``limit`` best things to do on a channel. Nothing is drawn yet, so every
    propensity is 1. What somebody would do as a customer counts as often as they are one.
    """
    found = scores(person, panel)
    if not limit:
        return Decision(found, (), ())
    customer = 1.0 if found.customer is None else found.customer
    needs = {need.name: customer * need.probability for need in found.needs or ()}
    risk = customer * found.churn.risk if found.churn else np.nan
    policy = panel.ground.policy
    judged = policy.judge(
        panel.known(person.vector, person.certain, person.objects), panel.likely(needs, risk), channel
    )
    best = policy.best(judged, limit)[0].tolist()
    values = judged.values[0]
    offers = [_offer(policy.choices[i], values[:, i].tolist(), slot) for slot, i in enumerate(best, 1) if i >= 0]
    return Decision(found, tuple(offers), tuple([place for place in judged.refused[0].tolist() if place >= 0]))


def _offer(action: Action, values: list[float], slot: int) -> Offer:
    need = values[judging.LIKELIEST]
    return Offer(
        action=action,
        value=values[judging.TOTAL],
        parts=tuple(values[: judging.TOTAL]),
        need=None if need != need else need,
        stay=values[judging.LESS_RISK],
        slot=slot,
        propensity=1.0,
    )


def scores(person: Person, panel: Panel) -> Scores:
    """What is likely of a person, by how much is known of who it is."""
    if person.visitor is not None:
        return of_visitor(panel, person.visitor)
    if person.candidates is not None:
        return of_candidates(panel, person.candidates)
    return of_customer(panel, person.vector, churn=not person.no_churn, needs=not person.no_needs)
