from features.declare import Feature


def _known(column: str, group: str, meaning: str) -> Feature:
    return Feature("profile", "last", column, group=group, meaning=meaning)


FEATURES = (
    _known("status", "relationship", "status of the relationship"),
    _known("active_since", "relationship", "start of the relationship"),
    _known("contract_end", "relationship", "end of the contract"),
    _known("segment", "relationship", "segment"),
    _known("region", "relationship", "region"),
    _known("plan", "plan", "tariff"),
    _known("monthly_value", "plan", "monthly charge"),
    _known("payment", "plan", "prepaid or postpaid"),
    _known("consent_marketing", "relationship", "may be contacted with offers"),
    _known("consent_profiling", "relationship", "may be profiled"),
    Feature(
        "profile",
        "since_last",
        where={"status": "notice"},
        of="account",
        group="account",
        meaning="time since anyone on the account gave notice",
    ),
)
