"""A real service desk: will an incident miss its service level?

Asked just after an incident opens. Own fields are what its opening update says; history is what the same caller,
location, assignment group and agent went through before, as far as it was known by then.

An incident ends when it is closed, kept or missed; those still open at the training instant are the slow ones, and
leaving them out would teach that everything ends well. So the task is a race between two endings over short periods,
and the last period stays open: who is still unresolved then ends one way or the other.
"""

from features.conditions import Event
from features.declare import Catalog, Feature, Label, Link, Task, Triggered

KEY_TYPES = ("incident", "caller", "location", "group", "agent")
HOLDERS = KEY_TYPES[1:]

MISSED = {"breached": True}
OPENED, CLEARED = {"state": "opened"}, {"state": "cleared"}


def field(name: str) -> Feature:
    """What a field of the incident says."""
    return Feature("journey", "last", "topic", where={"action": name}, group="own", meaning=name.replace("_", " "))


def number(name: str) -> Feature:
    """A number of the incident."""
    return Feature("usage", "last", "value", where={"metric": name}, group="own", meaning=name.replace("_", " "))


OWN = (
    *(
        field(name)
        for name in (
            "category",
            "subcategory",
            "u_symptom",
            "cmdb_ci",
            "location",
            "assignment_group",
            "assigned_to",
            "opened_by",
            "knowledge",
            "notify",
            "u_priority_confirmation",
            "incident_state",
        )
    ),
    *(
        number(name)
        for name in ("impact", "urgency", "priority", "opening_hour", "opening_weekday", "minutes_until_written")
    ),
    Feature("journey", "last", "channel", where={"action": "open"}, group="own", meaning="how it came in"),
)


def history(holder: str) -> tuple[Feature, ...]:
    """What went on at a holder of the incident: load, speed and kept promises.

    Counts and sums; their quotients (the share missed, the mean time) were tried and did worse: in a log of a few weeks
    they mostly tell how long the log has been running.
    """
    return (
        Feature("faults", "count", window="7d", where=OPENED, of=holder, group=holder, meaning=f"opened at the {holder} in 7 days"),
        Feature("faults", "open", window="14d", of=holder, group=holder, meaning=f"not yet resolved at the {holder}"),
        Feature("faults", "open_age", window="14d", of=holder, group=holder, meaning=f"age of the oldest unresolved at the {holder}"),
        Feature("faults", "count", window="14d", where=CLEARED, of=holder, group=holder, meaning=f"resolved at the {holder} in 14 days"),
        Feature("faults", "sum", "minutes", "14d", of=holder, group=holder, meaning=f"minutes to resolve at the {holder} in 14 days, added up"),
        Feature("sla", "count", window="14d", where=MISSED, of=holder, group=holder, meaning=f"missed at the {holder} in 14 days"),
        Feature("sla", "count", window="14d", of=holder, group=holder, meaning=f"ended at the {holder} in 14 days"),
        Feature("sla", "since_last", where=MISSED, of=holder, group=holder, meaning=f"time since one was missed at the {holder}"),
        Feature("journey", "since_last", where={"action": "reassign"}, of=holder, group=holder, meaning=f"time since one was handed on at the {holder}"),
    )  # fmt: skip


SLA_BREACH = Task(
    name="sla_breach",
    entity="incident",
    cutoffs=Triggered(Event.of("journey", action="open")),
    labels=(Label("missed", Event.of("sla", breached=True), competing=Event.of("sla", breached=False)),),
    # Closing follows resolution by five days, by a nightly job; then the endings thin out.
    periods=("5.01d", "5.5d", "6.5d", "8d", "11d", "15d", "20d", "27d"),
    open_ended=True,
)

CATALOG = Catalog(
    key_types=KEY_TYPES,
    links=tuple(Link("incident", holder) for holder in HOLDERS),
    features=(*OWN, *(feature for holder in HOLDERS for feature in history(holder))),
    tasks=(SLA_BREACH,),
    groups={
        "own": "what the incident itself says",
        "caller": "what the caller went through before",
        "location": "what goes on at the location",
        "group": "how the assignment group is doing",
        "agent": "how the agent is doing",
    },
)
