from features.declare import Feature

FEATURES = (
    Feature("contact", "count", window="90d", group="campaigns", meaning="offers made in 90 days"),
    Feature("contact", "since_last", group="campaigns", meaning="time since the last offer"),
)
