from features.declare import Feature


def _total(metric: str, window: str, group: str, meaning: str) -> Feature:
    return Feature("usage", "sum", "value", window, where={"metric": metric}, group=group, meaning=meaning)


FEATURES = (
    _total("bill", "30d", "bills", "billed in 30 days"),
    _total("bill", "90d", "bills", "billed in 90 days"),
    _total("late_days", "90d", "bills", "days payments came late in 90 days"),
    Feature("usage", "last", "value", where={"metric": "bill"}, group="bills", meaning="the last bill"),
    _total("gigabytes", "30d", "use", "gigabytes in 30 days"),
    _total("gigabytes", "90d", "use", "gigabytes in 90 days"),
    _total("minutes", "30d", "use", "call minutes in 30 days"),
)
