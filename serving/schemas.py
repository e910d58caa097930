"""What the service is asked and what it answers, as its OpenAPI document shows it."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from features.facts import CHANNELS
from models.nba.policy import Stage

Probability = Annotated[float, Field(ge=0, le=1)]


def _channel(value: str) -> str:
    if value not in CHANNELS:
        raise ValueError(f"there is no such channel; it is one of: {', '.join(CHANNELS)}")
    return value


Channel = Annotated[str, AfterValidator(_channel), WithJsonSchema({"type": "string", "enum": list(CHANNELS)})]


def _written(value: object) -> object:
    """Pydantic alone would also take seconds since 1970, and the same as text."""
    if isinstance(value, datetime) or (isinstance(value, str) and _INSTANT.match(value)):
        return value
    raise ValueError("write an instant with its zone, such as 2026-01-31T12:00:00Z")


_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
Instant = Annotated[AwareDatetime, BeforeValidator(_written)]

DECISION = r"^[0-9a-f]{32}$"
"""The id of a decision."""


class Form(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Key(Form):
    """One name by which some system knows the person: a CRM id, a number, a cookie."""

    type: str = Field(description="which kind of key")
    value: str = Field(min_length=1, max_length=512, description="the key as that system writes it")


class DecisionRequest(Form):
    """Who is asking for attention, and where."""

    keys: list[Key] = Field(min_length=1, max_length=20, description="every key the channel knows of the person")
    channel: Channel = Field(description="where the person is being talked to")
    limit: int = Field(default=3, ge=1, le=20, strict=True, description="at most so many actions")


class MatchedKey(Form):
    """Whether a key of the request, in its order, belongs to someone known; its value is never repeated."""

    type: str
    known: bool


class MatchAnswer(Form):
    """Who the keys belong to: one customer, candidates (one who is not certain, or several), or nobody known."""

    state: Literal["identified", "ambiguous", "unidentified"]
    candidates: int = Field(ge=0)
    weights: list[Probability] = Field(
        description="how likely it is each of the candidates, likeliest first; what is left of 1 is none of them"
    )
    keys: list[MatchedKey]


class ChurnScored(Form):
    """Risk of leaving by their own will, under the current policy."""

    status: Literal["scored"]
    curve: dict[str, Probability] = Field(description="days after now -> probability of having left; never falls")
    band: Literal["low", "medium", "high"]


class ChurnGivenCustomer(Form):
    """Nobody known: the risk of leaving if they are a customer (see ``visitor`` for how likely that is).

    Judged at the last visit; base rates where that is more than 7 days ago.
    """

    status: Literal["given_customer"]
    curve: dict[str, Probability] = Field(
        description="days after the visit, or after now where base rates -> probability of having left; never falls"
    )
    band: Literal["low", "medium", "high"]


class ChurnMixture(Form):
    """Candidates, or one who is not certain: the risks of leaving of those scored, summed by their weights, as if it
    were one of them. Where less than half of the candidates' weight could be scored there is no mixture.
    """

    status: Literal["mixture"]
    curve: dict[str, Probability] = Field(description="days after now -> probability of having left; never falls")
    low: dict[str, Probability] | None = Field(description="the lowest of those scored; null where it is only one")
    high: dict[str, Probability] | None = Field(description="the highest of those scored; null where it is only one")
    band: Literal["low", "medium", "high"]
    covered: Probability = Field(description="the weight of the candidates scored: how likely it is one of them")


class ChurnNotApplicable(Form):
    """No risk of leaving is given, and why."""

    status: Literal["not_applicable"]
    why: str


class NeedAnswer(Form):
    """How likely the person is to need something soon, given that they are a customer.

    ``low`` and ``high``: the range over the candidates scored; null where these are not several. ``covered``: their
    weight; null where no mixture was made. Of a visitor without a name it is judged as the risk of leaving is.
    """

    need: str
    words: str
    probability: Probability
    low: Probability | None = None
    high: Probability | None = None
    covered: Probability | None = None


class VisitorAnswer(Form):
    """Somebody without a name, judged just after the last visit that is known, whatever came since.

    A visit under way that is not in the lake yet is judged by the one before.
    """

    p_customer: Probability = Field(
        description="how likely who made the last visit was then a customer a score may be given of"
    )
    known: bool = Field(description="a visit with the keys is known; else every score is a base rate")
    judged_at: AwareDatetime | None = Field(
        description="just after the last visit became known; 7 days later what comes is told by base rates again"
    )


class FactAnswer(Form):
    """One fact behind a reason. ``typical``: what it is for most customers; null: not known, or never."""

    feature: str
    meaning: str
    words: str = Field(description="the fact as an agent can say it")
    value: float | str | None
    typical: float | str | None


class ReasonAnswer(Form):
    """What moved the risk of leaving, in percentage points: what raised it first. The points need not add up."""

    group: str
    words: str
    effect_points: float
    facts: list[FactAnswer]


class WordsAnswer(Form):
    """What the agent reads, and what the customer is told (empty: nothing)."""

    agent: str
    customer: str


class PartsAnswer(Form):
    """The terms a value is the sum of."""

    worth: float
    needs: float
    stay: float
    cost: float
    discount: float


class ChancesAnswer(Form):
    """``need``: probability of the likeliest need it serves; ``stay_points``: points off the risk of leaving."""

    accept: Probability
    need: Probability | None
    stay_points: float


class ActionAnswer(Form):
    """One thing to do. ``propensity``: the probability with which the policy puts it in this slot."""

    action: str
    kind: str
    words: WordsAnswer
    value: float
    parts: PartsAnswer
    probability: ChancesAnswer
    slot: int = Field(ge=1)
    propensity: Annotated[float, Field(gt=0, le=1)]
    why: str


class RefusedAnswer(Form):
    """An action they may not get: the stage that refused it, and what it asked for."""

    action: str
    stage: Stage
    why: str


class ModelAnswer(Form):
    """Which model answered; ``id`` stands for every byte of it."""

    version: int
    id: str


class CutsAnswer(Form):
    """The two cuts: windows end at one, now; what was known before the other is seen.

    ``silent``: feeds that were not heard of for so long that what they would have said is missing.
    """

    windows_end: AwareDatetime
    visible_to: AwareDatetime
    silent: list[str]


class DecisionAnswer(Form):
    """Who it is, whether they will leave, what they need, why, and what to do next."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    decision_id: str
    match: MatchAnswer
    visitor: VisitorAnswer | None = Field(description="null where somebody is known, or where no visitors are scored")
    churn: Annotated[
        ChurnScored | ChurnGivenCustomer | ChurnMixture | ChurnNotApplicable, Field(discriminator="status")
    ]
    needs: list[NeedAnswer] | None = Field(description="likeliest first; null where none may be predicted")
    reasons: list[ReasonAnswer]
    currency: str
    actions: list[ActionAnswer]
    refused: list[RefusedAnswer]
    model: dict[str, ModelAnswer]
    cuts: CutsAnswer
    degraded: list[Literal["store", "journal"]] = Field(
        description="what was not to be had: `store`, so that nothing is known of anybody; `journal`, so that the "
        "decision was written down on the machine that answered, and reaches the store later"
    )


class PersonRequest(Form):
    """One person to be scored."""

    keys: list[Key] = Field(min_length=1, max_length=20, description="every key that is known of the person")


class ScoresRequest(Form):
    """People to be scored, without a decision."""

    people: list[PersonRequest] = Field(min_length=1, max_length=200)


class ScoreAnswer(Form):
    """What is likely of one person; as in a decision."""

    match: MatchAnswer
    visitor: VisitorAnswer | None
    churn: Annotated[
        ChurnScored | ChurnGivenCustomer | ChurnMixture | ChurnNotApplicable, Field(discriminator="status")
    ]
    needs: list[NeedAnswer] | None
    reasons: list[ReasonAnswer]


class ScoresAnswer(Form):
    """The people's scores, in their order."""

    people: list[ScoreAnswer]
    model: dict[str, ModelAnswer]
    cuts: CutsAnswer


class OutcomeRequest(Form):
    """What came of an action of a decision. The same again changes nothing."""

    decision_id: str = Field(pattern=DECISION)
    action: str = Field(min_length=1, max_length=60)
    response: Literal["shown", "accepted", "declined", "already_fixed"]
    at: Instant | None = Field(default=None, description="when; without it now")


class OutcomeAnswer(Form):
    """Whether the outcome was new, replaces an earlier one, or was known already."""

    became: Literal["new", "revised", "known"]


class ReplayAnswer(Form):
    """A decision as it was taken, and as it is computed again from the rows that were known then.

    ``identical``: to the last byte. ``differs``: what does not. After the person was forgotten only ``erased`` is left.
    """

    decision_id: str
    at: AwareDatetime
    erased: bool
    identical: bool | None
    differs: list[str]
    answer: DecisionAnswer | None
    outcomes: "list[OutcomeTold]"


class OutcomeTold(Form):
    """An outcome as it was told."""

    action: str
    response: str
    at: AwareDatetime
