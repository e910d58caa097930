"""What the operator can do for someone: frozen declarations, as `actions.yaml` states them.

Money is in ``currency``. An action's effects are *priors*: what the operator believes before outcomes were measured.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

DO_NOTHING = "do_nothing"
SAFE_KINDS = ("service_message", "nothing")
"""Harmless whoever it is, and never chosen by profiling."""

Kind = Literal["retention", "care", "upsell", "service_message", "mission", "nothing"]
Operator = Literal["is", "is_not", "at_least", "below", "missing", "present"]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]
Probability = Annotated[float, Field(strict=True, ge=0, le=1)]
Points = Annotated[float, Field(strict=True, ge=-100, le=100)]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400)]


class Declared(BaseModel):
    """Frozen, and refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Condition(Declared):
    """One test of one feature. ``missing`` and ``present`` take no value, the others need one.

    A missing value meets ``missing`` and ``is_not`` alone, as it does in the rules of tasks.
    """

    feature: str
    operator: Operator
    value: bool | Number | str | None = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        alone = self.operator in ("missing", "present")
        if alone and self.value is not None:
            raise ValueError(f"'{self.operator}' takes no value")
        if not alone and self.value is None:
            raise ValueError(f"'{self.operator}' needs a value")
        return self

    @property
    def words(self) -> str:
        """``profile_status_last is active``."""
        return " ".join(
            [self.feature, self.operator.replace("_", " "), *([] if self.value is None else [str(self.value)])]
        )


class Words(Declared):
    """What the agent reads, and what the customer is told (empty: nothing is said)."""

    agent: Text
    customer: Annotated[str, StringConstraints(strip_whitespace=True, max_length=400)]


class PriorEffect(Declared):
    """``stay``: points off the 90-day churn probability at `Catalogue.typical_churn`; ``accept``: chance of a yes."""

    stay: Points
    accept: Probability


class Action(Declared):
    """One thing to do. ``worth`` is what doing it is worth whoever gets it, a duty kept for instance.

    ``profiling``: it is chosen for somebody by what is predicted of them, so not for one who objects to that; service
    messages never are. ``margin`` is earned when a served need is met, ``cost`` is paid whenever it is done,
    ``discount`` is given to everyone who accepts, those included who would have stayed anyway.
    """

    id: Name
    kind: Kind
    words: Words
    needs: tuple[str, ...] = ()
    channels: tuple[str, ...] = Field(min_length=1)
    consent: str | None = None
    profiling: bool = True
    margin: Amount = 0.0
    worth: Amount = 0.0
    cost: Amount = 0.0
    discount: Amount = 0.0
    prior_effect: PriorEffect
    eligibility: tuple[Condition, ...] = ()

    @property
    def by_profiling(self) -> bool:
        """Whether somebody who objects to profiling may not get it."""
        return self.profiling and self.kind not in SAFE_KINDS


class CustomerValue(Declared):
    """What keeping a customer is worth: the ``monthly_value`` feature x ``months`` x ``margin_rate``."""

    monthly_value: str
    months: Amount
    margin_rate: Probability


class Catalogue(Declared):
    """Everything the operator can do, and the money and words that go with it.

    ``typical_churn`` is the 90-day probability at which prior effects on staying were judged; ``consents`` names the
    feature behind each consent; ``needs`` gives the words of each need.
    """

    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    customer_value: CustomerValue
    typical_churn: Annotated[float, Field(strict=True, gt=0, lt=1)]
    consents: Mapping[str, str] = Field(default_factory=dict)
    needs: Mapping[Name, Text]
    do_nothing: Words
    actions: tuple[Action, ...] = Field(min_length=1)

    @cached_property
    def choices(self) -> tuple[Action, ...]:
        """The declared actions and "do nothing", which competes with each of them at value 0."""
        return (*self.actions, self.nothing)

    @cached_property
    def nothing(self) -> Action:
        """Doing nothing: allowed to everyone on every channel, worth nothing."""
        channels = tuple(sorted({c for action in self.actions for c in action.channels}))
        effect = PriorEffect(stay=0.0, accept=1.0)
        return Action(id=DO_NOTHING, kind="nothing", words=self.do_nothing, channels=channels, prior_effect=effect)

    @cached_property
    def reads(self) -> tuple[str, ...]:
        """The features that rules, consents and the customer value read, sorted."""
        rules = {c.feature for action in self.actions for c in action.eligibility}
        return tuple(sorted(rules | set(self.consents.values()) | {self.customer_value.monthly_value}))

    @cached_property
    def reads_of_objectors(self) -> tuple[str, ...]:
        """The features that the rules and consents of actions without profiling read, sorted."""
        open_to_all = [action for action in self.actions if not action.by_profiling]
        consents = {self.consents[action.consent] for action in open_to_all if action.consent is not None}
        return tuple(sorted(consents | {c.feature for action in open_to_all for c in action.eligibility}))
