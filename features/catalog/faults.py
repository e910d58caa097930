"""What broke: on their own lines, at home while they lived there, at the site they live at now, on the account."""

from functools import partial

from features.catalog.windows import Where, over
from features.declare import Feature

OPENED, CLEARED = Where(state="opened", planned=False), Where(state="cleared", planned=False)
SEVERE = OPENED | Where(severity=("major", "critical"))
PLANNED = Where(state="opened", planned=True)

_faults, _change = partial(over, "faults", "count", None), partial(over, "faults", "rate_change", None)
_minutes, _longest, _average = (partial(over, "faults", aggregate, "minutes") for aggregate in ("sum", "max", "mean"))
_lost = partial(over, "faults", "rate_change", "minutes")
_since, _last = partial(Feature, "faults", "since_last"), partial(Feature, "faults", "last")

OWN_LINE = (
    *_faults("14d 30d 90d 180d 365d", where=OPENED, group="line_faults", meaning="faults on the own line"),
    *_change("30d 90d", where=OPENED, group="line_faults", meaning="change of faults on the own line"),
    _since(where=OPENED, group="line_faults", meaning="time since the last fault on the own line"),
    *_faults("90d 180d", where=SEVERE, group="line_faults", meaning="severe faults on the own line"),
    _since(where=SEVERE, group="line_faults", meaning="time since the last severe fault on the own line"),
    *over("faults", "share", None, "180d", where=SEVERE, among=OPENED, group="line_faults", meaning="share of faults on the own line that were severe"),
    *_faults("90d", where=OPENED | Where(category="no_service"), group="line_faults", meaning="times the own line was dead"),
    *_faults("90d", where=OPENED | Where(category="slow"), group="line_faults", meaning="times the own line was slow"),
    *_faults("90d", where=OPENED | Where(category="drops"), group="line_faults", meaning="times the own line kept dropping"),
    _last("category", where=OPENED, group="line_faults", meaning="what the last fault on the own line was"),
    *_minutes("14d 30d 90d 180d", group="line_faults", meaning="minutes without service"),
    *_lost("90d", group="line_faults", meaning="change of minutes without service"),
    *_longest("90d 365d", group="line_faults", meaning="longest time without service"),
    *_average("180d", where=CLEARED, group="line_faults", meaning="average time without service per fault"),
    _last("minutes", where=CLEARED, group="line_faults", meaning="how long the last fault on the own line lasted"),
    *_faults("90d 180d", where=CLEARED | Where(truck_roll=True), group="line_faults", meaning="faults that took a technician"),
    Feature("faults", "open", window="90d", group="line_faults", meaning="faults on the own line not yet cleared"),
    Feature("faults", "open_age", window="90d", group="line_faults", meaning="age of the oldest fault not yet cleared"),
    Feature("faults", "open", window="90d", where=SEVERE, group="line_faults", meaning="severe faults on the own line not yet cleared"),
)  # fmt: skip

AT_HOME = (
    *_faults("7d 30d 90d", where=OPENED, via="site", group="site_faults", meaning="outages at home"),
    *_change("90d", where=OPENED, via="site", group="site_faults", meaning="change of outages at home"),
    *_faults("90d", where=SEVERE, via="site", group="site_faults", meaning="severe outages at home"),
    _since(where=OPENED, via="site", group="site_faults", meaning="time since the last outage at home"),
    *_minutes("7d 30d 90d", via="site", group="site_faults", meaning="minutes of outage at home"),
    *_lost("90d", via="site", group="site_faults", meaning="change of minutes of outage at home"),
    *_minutes("30d 60d", where=CLEARED, via="site", group="site_faults", meaning="minutes of unplanned outage at home"),
    *_longest("90d 365d", where=CLEARED, via="site", group="site_faults", meaning="longest outage at home"),
    *_faults("90d", where=PLANNED, via="site", group="site_faults", meaning="planned works at home"),
    Feature("faults", "open", window="30d", via="site", group="site_faults", meaning="outages at home not yet cleared"),
    Feature("faults", "open_age", window="30d", via="site", group="site_faults", meaning="age of the oldest outage at home not yet cleared"),
)  # fmt: skip

OF_SITE = (
    *_faults("30d 90d 365d", where=OPENED, of="site", group="site_faults", meaning="outages of the present site"),
    *_change("90d", where=OPENED, of="site", group="site_faults", meaning="change of outages of the present site"),
    *_minutes("90d 365d", where=CLEARED, of="site", group="site_faults", meaning="minutes of outage of the present site"),
    *_average("365d", where=CLEARED, of="site", group="site_faults", meaning="average minutes of an outage of the present site"),
    *over("faults", "share", None, "365d", where=SEVERE, among=OPENED, of="site", group="site_faults", meaning="share of outages of the present site that were severe"),
)  # fmt: skip

OF_ACCOUNT = (
    *_faults("90d", where=OPENED, of="account", group="account", meaning="faults on any line of the account"),
    *_minutes("90d", of="account", group="account", meaning="minutes without service on any line of the account"),
    Feature("faults", "open", window="90d", of="account", group="account", meaning="faults on any line of the account not yet cleared"),
)  # fmt: skip

FEATURES = (*OWN_LINE, *AT_HOME, *OF_SITE, *OF_ACCOUNT)
