from features.declare import Feature

_OPENED = {"state": "opened", "planned": False}

FEATURES = (
    Feature("faults", "count", window="30d", where=_OPENED, group="line_faults", meaning="faults on the own line in 30 days"),
    Feature("faults", "count", window="90d", where=_OPENED, group="line_faults", meaning="faults on the own line in 90 days"),
    Feature("faults", "sum", "minutes", "90d", group="line_faults", meaning="minutes without service in 90 days"),
    Feature("faults", "open", window="90d", group="line_faults", meaning="faults on the own line not yet cleared"),
    Feature("faults", "open_age", window="90d", group="line_faults", meaning="age of the oldest fault not yet cleared"),
    Feature("faults", "since_last", where=_OPENED, group="line_faults", meaning="time since the last fault on the own line"),
    Feature("faults", "count", window="30d", where=_OPENED, via="site", group="site_faults", meaning="outages at home in 30 days"),
    Feature("faults", "sum", "minutes", "30d", via="site", group="site_faults", meaning="minutes of outage at home in 30 days"),
    Feature("faults", "sum", "minutes", "90d", via="site", group="site_faults", meaning="minutes of outage at home in 90 days"),
    Feature("faults", "count", window="90d", where=_OPENED, of="site", group="site_faults", meaning="outages of the present site in 90 days"),
)  # fmt: skip
