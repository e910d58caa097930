"""What we offered them, and what they said to it."""

from functools import partial

from features.catalog.windows import Where, over
from features.declare import Feature

ACCEPTED, DECLINED, ANSWERED = (
    Where(response=response) for response in ("accepted", "declined", ("accepted", "declined"))
)
CAMPAIGN = Where(origin="other")
TO_STAY = Where(action=("loyalty_discount", "contract_renewal", "right_size_plan"))
TO_BUY = Where(action=("faster_plan", "device_offer", "extra_line", "roaming_pass", "security_pack"))
TO_MEND = Where(action=("line_check", "tech_visit", "goodwill_credit", "owner_call_back", "outage_update"))

_times, _share = partial(over, "contact", "count", None), partial(over, "contact", "share", None)
_change = partial(over, "contact", "rate_change", None)
_since, _last = partial(Feature, "contact", "since_last"), partial(Feature, "contact", "last")

FEATURES = (
    *_times("7d 30d 90d 180d", group="campaigns", meaning="offers made"),
    *_change("30d", group="campaigns", meaning="change of offers made"),
    _since(group="campaigns", meaning="time since the last offer"),
    *over("contact", "distinct", "channel", "90d", group="campaigns", meaning="channels offers were made on"),
    *over("contact", "repeats", "channel", "30d", group="campaigns", meaning="offers beyond the first on each channel"),
    *_times("60d 180d", where=ACCEPTED, group="campaigns", meaning="offers accepted"),
    *_times("30d 90d 180d", where=DECLINED, group="campaigns", meaning="offers declined"),
    *_share("180d", where=ACCEPTED, among=ANSWERED, group="campaigns", meaning="share of answered offers they accepted"),
    *_times("90d", where=Where(response="none"), group="campaigns", meaning="offers they did not answer"),
    _since(where=ACCEPTED, group="campaigns", meaning="time since they accepted an offer"),
    _since(where=DECLINED, group="campaigns", meaning="time since they declined an offer"),
    _last("action", where=ACCEPTED, group="campaigns", meaning="the offer they last accepted"),
    _last("response", where=ANSWERED, group="campaigns", meaning="what they last answered"),
    *_times("30d 90d", where=CAMPAIGN, group="campaigns", meaning="campaigns sent by other systems"),
    *_times("180d", where=CAMPAIGN | DECLINED, group="campaigns", meaning="campaigns of other systems they declined"),
    *_times("90d 180d", where=TO_STAY, group="campaigns", meaning="offers to stay"),
    *_times("365d", where=TO_STAY | ACCEPTED, group="campaigns", meaning="offers to stay they accepted"),
    *_times("180d", where=TO_STAY | DECLINED, group="campaigns", meaning="offers to stay they declined"),
    *_times("90d", where=TO_BUY, group="campaigns", meaning="offers to buy"),
    *_times("180d", where=TO_BUY | DECLINED, group="campaigns", meaning="offers to buy they declined"),
    *_times("90d", where=TO_MEND | ACCEPTED, group="campaigns", meaning="offers to put something right they accepted"),
    _since(where=TO_MEND | ACCEPTED, group="campaigns", meaning="time since they accepted an offer to put something right"),
    *_times("90d", where=DECLINED, of="account", group="account", meaning="offers declined on the account"),
    *_times("180d", where=TO_STAY | ACCEPTED, of="account", group="account", meaning="offers to stay accepted on the account"),
)  # fmt: skip
