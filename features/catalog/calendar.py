"""What goes on outside, in the market they live in: price rises, campaigns of rivals, the season.

A market's facts are read through the site they live at, where evidence says in which market a site lies.
"""

from functools import partial

from features.catalog.windows import Where, over
from features.conditions import at_least
from features.declare import Feature

RISE, SEASON, RIVALS = (Where(kind=kind) for kind in ("price_rise", "season", "rival_campaign"))
BEGUN = RIVALS | Where(value=at_least(0.5))
"""A rival's campaign begins with a 1 and ends with a 0."""

_times = partial(over, "calendar", "count", None, of="market", group="market")
_since = partial(Feature, "calendar", "since_last", of="market", group="market")
_last = partial(Feature, "calendar", "last", "value", of="market", group="market")

FEATURES = (
    _last(where=SEASON, measured="-1..1", meaning="season"),
    _last(where=RISE, window="180d", measured="%", meaning="price rise last announced"),
    _since(where=RISE, meaning="time since a price rise was announced"),
    *_times("90d 365d", where=RISE, meaning="price rises announced"),
    _last(where=RIVALS, measured="0 or 1", meaning="whether a rival's campaign began or ended last"),
    _since(where=BEGUN, meaning="time since a rival's campaign began"),
    *_times("30d 90d 365d", where=BEGUN, meaning="campaigns of rivals that began"),
)  # fmt: skip
