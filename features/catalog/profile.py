"""What they have with us, since when and for how much."""

from functools import partial

from features.catalog.windows import Where, over
from features.conditions import at_least
from features.declare import Feature

NOTICE, LEFT = Where(status="notice"), Where(status="left")
CHARGED = Where(monthly_value=at_least(0))

_last, _since = partial(Feature, "profile", "last"), partial(Feature, "profile", "since_last")
_highest, _lowest = (partial(over, "profile", aggregate, "monthly_value") for aggregate in ("max", "min"))
_times = partial(over, "profile", "count", None)

FEATURES = (
    _last("status", group="relationship", meaning="status of the relationship"),
    _last("active_since", group="relationship", meaning="start of the relationship"),
    _last("contract_end", group="relationship", meaning="end of the contract"),
    _last("segment", group="relationship", meaning="segment"),
    _last("region", group="relationship", meaning="region"),
    _last("plan", group="plan", meaning="tariff"),
    _last("monthly_value", group="plan", meaning="monthly charge"),
    _last("payment", group="plan", meaning="prepaid or postpaid"),
    _last("consent_marketing", group="relationship", meaning="may be contacted with offers"),
    _last("consent_profiling", group="relationship", meaning="may be profiled"),
    _since(where=Where(consent_marketing=False), group="relationship", meaning="time since they refused to be contacted with offers"),
    *_times("365d", where=NOTICE, group="relationship", meaning="times they gave notice"),
    _since(where=NOTICE, group="relationship", meaning="time since they gave notice"),
    _since(where=CHARGED, group="plan", meaning="time since the monthly charge was set"),
    *_times("90d 365d", where=CHARGED, group="plan", meaning="times the monthly charge was set"),
    *_highest("180d 365d", group="plan", meaning="highest monthly charge set"),
    *_lowest("180d 365d", group="plan", meaning="lowest monthly charge set"),
    _since(where=NOTICE, of="account", group="account", meaning="time since anyone on the account gave notice"),
    *_times("90d 365d", where=NOTICE, of="account", group="account", meaning="times anyone on the account gave notice"),
    _since(where=LEFT, of="account", group="account", meaning="time since anyone on the account left"),
)  # fmt: skip
