from features.catalog.needs import NEEDS
from features.declare import Feature

FEATURES = (
    Feature("journey", "count", window="30d", where={"phase": "ask"}, group="contacts", meaning="times they asked for help in 30 days"),
    Feature("journey", "count", window="90d", where={"phase": "ask"}, group="contacts", meaning="times they asked for help in 90 days"),
    Feature("journey", "count", window="90d", where={"action": "complain"}, group="contacts", meaning="complaints in 90 days"),
    Feature("journey", "sum", "sentiment", "90d", group="contacts", meaning="how they sounded in 90 days, added up"),
    Feature("journey", "distinct", "channel", "30d", group="contacts", meaning="channels used in 30 days"),
    Feature("journey", "count", window="30d", where={"outcome": ("open", "handed_off")}, group="open_loops", meaning="contacts left open or handed on in 30 days"),
    Feature("journey", "count", window="90d", where={"outcome": ("open", "handed_off")}, group="open_loops", meaning="contacts left open or handed on in 90 days"),
    Feature("journey", "count", window="60d", where={"action": "cancel_enquiry"}, group="leaving_signs", meaning="enquiries about cancelling in 60 days"),
    Feature("journey", "count", window="60d", where={"action": "compare"}, group="leaving_signs", meaning="comparisons with rivals in 60 days"),
    Feature("journey", "since_last", where={"phase": "engage"}, group="interest", meaning="time since they last engaged"),
    Feature("journey", "since_last", where={"phase": ("use", "ask")}, group="use", meaning="time since any use or question"),
    Feature("journey", "count", window="30d", where={"phase": ("discover", "explore")}, group="interest", meaning="visits to discover or explore in 30 days"),
    Feature("journey", "last", "topic", window="60d", where={"phase": ("discover", "explore")}, group="interest", meaning="what they last looked at"),
    *(
        Feature("journey", "count", window="60d", where={"topic": topics}, group="interest", meaning=f"touches about {words} in 60 days")
        for topics, words in (
            (("speed", "faster_line"), "speed"),
            (("outage", "coverage", "reliable_line"), "outages and coverage"),
            (("price", "plans", "lower_price"), "price"),
            (("billing", "bill_clarity"), "the bill"),
            (("device",), "devices"),
            (("roaming",), "roaming"),
            (("extra_line",), "another line"),
            (("help", "help_using"), "help"),
            (("security",), "security"),
        )
    ),
    *(
        Feature("journey", "since_last", where={"action": ("request", "order"), "topic": need}, group="interest", meaning=f"time since they asked for: {words}")
        for need, words in NEEDS.items()
    ),
)  # fmt: skip
