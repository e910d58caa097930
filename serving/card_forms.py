"""The cards of customers and accounts, as the OpenAPI document shows them."""

from typing import Literal

from pydantic import AwareDatetime, Field

from serving.schemas import CutsAnswer, Form, ModelAnswer, Probability, ScoreAnswer


class Touch(Form):
    """One touch of the journey."""

    at: AwareDatetime
    phase: str
    channel: str
    action: str | None
    topic: str | None
    outcome: str | None
    sentiment: float | None


class PhaseTold(Form):
    """How often they were in a phase of the journey, and the last time."""

    last_30_days: int = Field(ge=0)
    last_90_days: int = Field(ge=0)
    last: Touch | None


class FaultTold(Form):
    """A fault as it was told; ``open``: it was not cleared since."""

    at: AwareDatetime
    where: Literal["line", "site"]
    state: str
    open: bool
    severity: str | None
    category: str | None
    minutes: float | None
    planned: bool | None


class PromiseTold(Form):
    """One measurement of a promise."""

    at: AwareDatetime
    metric: str
    target: float | None
    actual: float | None
    breached: bool
    credit: float | None


class ActionTold(Form):
    """An action of a past decision and what came of it."""

    action: str
    response: str | None


class DecisionTold(Form):
    """A past decision."""

    decision_id: str
    at: AwareDatetime
    channel: str
    risk: Probability | None
    actions: list[ActionTold]


class CustomerCard(ScoreAnswer):
    """Everything about one customer: the ring of the journey by phase, faults, promises, scores, past decisions."""

    journey: dict[str, PhaseTold]
    touches: list[Touch]
    faults: list[FaultTold]
    promises: list[PromiseTold]
    decisions: list[DecisionTold]
    model: dict[str, ModelAnswer]
    cuts: CutsAnswer


class AnyLeaves(Form):
    """Between what the chance lies that at least one leaves: did all decide as one, or each alone."""

    together: dict[str, float | None]
    apart: dict[str, float | None]


class AccountCard(Form):
    """What the members' risks amount to for an account; days from now -> a sum. ``at_risk``: of the monthly charge.

    ``members``: customers who belong to it now; ``scored``: those a risk may be given of.
    """

    members: int = Field(ge=0)
    scored: int = Field(ge=0)
    bands: dict[str, int]
    leavers: dict[str, float | None]
    at_risk: dict[str, float | None]
    any_leaves: AnyLeaves
    model: dict[str, ModelAnswer]
    cuts: CutsAnswer
