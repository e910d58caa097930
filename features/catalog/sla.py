from features.declare import Feature

FEATURES = (
    Feature("sla", "count", window="90d", where={"breached": True}, group="promises", meaning="promises broken in 90 days"),
    Feature("sla", "since_last", where={"breached": True}, group="promises", meaning="time since a promise was broken"),
    Feature("sla", "sum", "credit", "90d", group="promises", meaning="credit paid for broken promises in 90 days"),
)  # fmt: skip
