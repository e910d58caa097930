"""What the telecom models predict, for whom and when."""

from features.catalog import shortlist
from features.catalog.needs import NEEDS
from features.conditions import Event
from features.declare import Calendar, Label, Rule, Task

_ENDING = ("notice", "left")
_ACTIVE = (Rule("profile_status_last", "is", "active"),)
_SLICES = (
    *(f"profile_{column}_last" for column in ("segment", "region", "payment", "active_since")),
    "journey_phase_ask_channel_last",
)
_CALL = Event.of("journey", phase="ask", channel=("call_center", "chat", "retail", "ivr"))
"""When a CRM asks: somebody has just been in contact."""

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
    features=shortlist.CHURN,
    together="account",
    slices=_SLICES,
    live=_CALL,
)

NEEDS_TASK = Task(
    name="needs",
    entity="customer",
    cutoffs=Calendar("month"),
    eligible=_ACTIVE,
    labels=tuple(Label(need, Event.of("journey", action=("request", "order"), topic=need)) for need in NEEDS),
    periods=("60d",),
    label_delay="3d",
    features=shortlist.ALL,
    together="account",
    slices=_SLICES,
    live=_CALL,
)

TASKS = (CHURN, NEEDS_TASK)
