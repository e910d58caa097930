"""What was promised on repair and availability, and kept or not."""

from functools import partial

from features.catalog.windows import Where, over
from features.declare import Feature

BROKEN = Where(breached=True)
REPAIR, UPTIME = Where(metric="resolution_hours"), Where(metric="availability")

_times, _share = partial(over, "sla", "count", None), partial(over, "sla", "share", None)
_credit, _change = partial(over, "sla", "sum", "credit"), partial(over, "sla", "rate_change", None)
_hours = partial(over, "sla", where=REPAIR, measured="hours", group="promises")
_uptime = partial(over, "sla", where=UPTIME, measured="%", group="promises")
_since, _last = partial(Feature, "sla", "since_last"), partial(Feature, "sla", "last")

FEATURES = (
    *_times("30d 90d 180d 365d", where=BROKEN, group="promises", meaning="promises broken"),
    *_change("90d", where=BROKEN, group="promises", meaning="change of promises broken"),
    _since(where=BROKEN, group="promises", meaning="time since a promise was broken"),
    *_share("90d 180d", where=BROKEN, group="promises", meaning="share of promises broken"),
    *_times("90d 180d", where=BROKEN | REPAIR, group="promises", meaning="repairs later than promised"),
    *_share("180d", where=BROKEN, among=REPAIR, group="promises", meaning="share of repairs later than promised"),
    _since(where=BROKEN | REPAIR, group="promises", meaning="time since a repair came later than promised"),
    *_hours("mean", "actual", "180d", meaning="hours a repair took on average"),
    *_hours("max", "actual", "180d", meaning="hours the longest repair took"),
    _last("actual", where=REPAIR, measured="hours", group="promises", meaning="hours the last repair took"),
    *_times("90d 180d", where=BROKEN | UPTIME, group="promises", meaning="months with less service than promised"),
    *_uptime("mean", "actual", "90d 180d", meaning="availability on average"),
    *_uptime("min", "actual", "90d 365d", meaning="availability in the worst month"),
    _last("actual", where=UPTIME, measured="%", group="promises", meaning="availability last measured"),
    *_credit("90d 180d 365d", group="promises", meaning="credit paid for broken promises"),
    *_times("90d", where=BROKEN, of="account", group="account", meaning="promises broken on any line of the account"),
)  # fmt: skip
