"""What the telecom models predict, for whom and when."""

from features.catalog.needs import NEEDS
from features.catalog.shortlist import SHORTLIST
from features.conditions import Event
from features.declare import Calendar, Label, Rule, Task

_ENDING = ("notice", "left")
_ACTIVE = (Rule("profile_status_last", "is", "active"),)

CHURN = Task(
    name="churn",
    entity="customer",
    cutoffs=Calendar("month"),
    eligible=_ACTIVE,
    labels=(
        Label(
            "leaves",
            Event.of("profile", status=_ENDING, reason="voluntary"),
            # Any other ending, also one without a reason, competes.
            competing=Event.of("profile", status=_ENDING),
        ),
    ),
    periods=("30d", "60d", "90d"),
    label_delay="3d",
    features=SHORTLIST,
)

NEEDS_TASK = Task(
    name="needs",
    entity="customer",
    cutoffs=Calendar("month"),
    eligible=_ACTIVE,
    labels=tuple(Label(need, Event.of("journey", action=("request", "order"), topic=need)) for need in NEEDS),
    periods=("60d",),
    label_delay="3d",
    features=SHORTLIST,
)

TASKS = (CHURN, NEEDS_TASK)
