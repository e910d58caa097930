"""What they are billed, how they pay, and how much they use."""

from functools import partial

from features.catalog.windows import Where, over
from features.declare import Aggregate, Feature

BILL, PAYMENT, LATE = Where(metric="bill"), Where(metric="payment"), Where(metric="late_days")
GIGABYTES, MINUTES = Where(metric="gigabytes"), Where(metric="minutes")


def _value(aggregate: Aggregate) -> partial:
    return partial(over, "usage", aggregate, "value")


_times, _since = partial(over, "usage", "count", None), partial(Feature, "usage", "since_last")
_sum, _mean, _least, _most, _change = (_value(a) for a in ("sum", "mean", "min", "max", "rate_change"))
_last = partial(Feature, "usage", "last", "value")

BILLS = (
    *_sum("30d 90d 180d 365d", where=BILL, measured="currency", group="bills", meaning="billed"),
    *_change("30d 90d", where=BILL, measured="currency", group="bills", meaning="change of what was billed"),
    *_mean("180d", where=BILL, measured="currency", group="bills", meaning="average bill"),
    *_most("90d 365d", where=BILL, measured="currency", group="bills", meaning="highest bill"),
    *_least("90d 365d", where=BILL, measured="currency", group="bills", meaning="lowest bill"),
    _last(where=BILL, measured="currency", group="bills", meaning="the last bill"),
    *_sum("90d", where=BILL, measured="currency", of="account", group="account", meaning="billed to the account"),
)  # fmt: skip

PAYMENTS = (
    *_sum("30d 90d", where=PAYMENT, measured="currency", group="bills", meaning="paid"),
    *_times("90d", where=PAYMENT, group="bills", meaning="payments"),
    *_change("90d", where=PAYMENT, measured="currency", group="bills", meaning="change of what was paid"),
    _since(where=PAYMENT, group="bills", meaning="time since the last payment"),
    *_sum("90d 180d", where=LATE, measured="days", group="bills", meaning="days payments came late"),
    *_times("90d 365d", where=LATE, group="bills", meaning="payments that came late"),
    *_most("365d", where=LATE, measured="days", group="bills", meaning="most days a payment came late"),
    _since(where=LATE, group="bills", meaning="time since a payment came late"),
    *_sum("180d", where=LATE, measured="days", of="account", group="account", meaning="days payments of the account came late"),
)  # fmt: skip

USE = (
    *_sum("30d 90d 180d", where=GIGABYTES, measured="gigabytes", group="use", meaning="gigabytes"),
    *_change("30d 90d", where=GIGABYTES, measured="gigabytes", group="use", meaning="change of gigabytes"),
    *_least("180d", where=GIGABYTES, measured="gigabytes", group="use", meaning="gigabytes of the quietest month"),
    *_most("180d", where=GIGABYTES, measured="gigabytes", group="use", meaning="gigabytes of the busiest month"),
    _last(where=GIGABYTES, measured="gigabytes", group="use", meaning="gigabytes last metered"),
    _since(where=GIGABYTES, group="use", meaning="time since data was last metered"),
    *_sum("30d 90d 180d", where=MINUTES, measured="minutes", group="use", meaning="call minutes"),
    *_change("30d 90d", where=MINUTES, measured="minutes", group="use", meaning="change of call minutes"),
    _last(where=MINUTES, measured="minutes", group="use", meaning="call minutes last metered"),
    *_sum("90d", where=GIGABYTES, measured="gigabytes", of="account", group="account", meaning="gigabytes of the account"),
    *_change("90d", where=GIGABYTES, measured="gigabytes", of="account", group="account", meaning="change of gigabytes of the account"),
)  # fmt: skip

FEATURES = (*BILLS, *PAYMENTS, *USE)
