"""What people did and said on every channel: what they use and look at, ask for, are left waiting for, think of us."""

from functools import partial

from features.catalog.needs import NEEDS
from features.catalog.windows import Where, over
from features.conditions import at_least
from features.declare import Feature

ASK, USE, ENGAGE, BUY = (Where(phase=phase) for phase in ("ask", "use", "engage", "buy"))
LOOK = Where(phase=("discover", "explore"))
UNSOLVED, HANDED_ON = Where(outcome=("open", "handed_off")), Where(outcome="handed_off")
COMPLAIN, CANCEL, COMPARE, ORDER, LOGIN, TOP_UP = (
    Where(action=action) for action in ("complain", "cancel_enquiry", "compare", "order", "login", "top_up")
)
SOUNDED, DISPLEASED = Where(sentiment=at_least(-1)), Where(sentiment=at_least(-1, below=-0.3))
TOPICS = (
    (("speed", "faster_line"), "speed"),
    (("outage", "coverage", "reliable_line"), "outages and coverage"),
    (("price", "plans", "lower_price"), "price"),
    (("billing", "bill_clarity"), "the bill"),
    (("device",), "devices"),
    (("roaming",), "roaming"),
    (("extra_line",), "another line"),
    (("help", "help_using"), "help"),
    (("security",), "security"),
)

_times, _change = partial(over, "journey", "count", None), partial(over, "journey", "rate_change", None)
_share, _repeats = partial(over, "journey", "share", None), partial(over, "journey", "repeats", "channel")
_channels = partial(over, "journey", "distinct", "channel")
_worth = partial(over, "journey", "sum", "value", measured="currency")
_mean, _worst = partial(over, "journey", "mean", "sentiment"), partial(over, "journey", "min", "sentiment")
_since, _last = partial(Feature, "journey", "since_last"), partial(Feature, "journey", "last")

PHASES = (
    *_times("30d 90d", group="activity", meaning="contacts of any kind"),
    *_change("30d 90d", group="activity", meaning="change of contacts of any kind"),
    _since(group="activity", meaning="time since any contact"),
    *_times("7d 30d 90d", where=LOOK, group="interest", meaning="visits to discover or explore"),
    *_change("30d", where=LOOK, group="interest", meaning="change of visits to discover or explore"),
    *_times("90d 365d", where=BUY, group="interest", meaning="steps towards buying"),
    _since(where=BUY, group="interest", meaning="time since a step towards buying"),
    *_times("90d", where=ENGAGE, group="interest", meaning="times they engaged"),
    _since(where=ENGAGE, group="interest", meaning="time since they last engaged"),
    *_times("7d 30d 90d", where=USE, group="use", meaning="times they looked after the service themselves"),
    *_change("30d", where=USE, group="use", meaning="change of times they looked after the service themselves"),
    _since(where=Where(phase=("use", "ask")), group="use", meaning="time since any use or question"),
    *_times("30d 90d", where=LOGIN, group="use", meaning="logins"),
    *_change("30d", where=LOGIN, group="use", meaning="change of logins"),
    _since(where=LOGIN, group="use", meaning="time since they last logged in"),
)  # fmt: skip

CONTACTS = (
    *_times("7d 30d 90d 180d 365d", where=ASK, group="contacts", meaning="times they asked for help"),
    *_change("30d 90d", where=ASK, group="contacts", meaning="change of times they asked for help"),
    _since(where=ASK, group="contacts", meaning="time since they last asked for help"),
    *_repeats("7d 30d 90d", where=ASK, group="contacts", meaning="questions beyond the first on each channel"),
    *_channels("30d 90d", group="contacts", meaning="channels used"),
    *_channels("30d 90d", where=ASK, group="contacts", meaning="channels they asked on"),
    *_times("30d 90d", where=Where(channel="call_center"), group="contacts", meaning="calls to an agent"),
    *_times("90d", where=Where(channel="chat"), group="contacts", meaning="chats"),
    *_times("90d", where=Where(channel="retail"), group="contacts", meaning="visits to a shop"),
    *_times("90d", where=Where(channel="field"), group="contacts", meaning="visits by a technician"),
    *_times("90d", where=Where(channel="app"), group="activity", meaning="contacts in the app"),
    *_times("90d", where=Where(channel="web"), group="activity", meaning="contacts on the web"),
    *_share("90d", where=Where(channel=("web", "app", "chat")), group="activity", meaning="share of contacts on the web, in the app or by chat"),
    *_share("90d", where=Where(channel=("call_center", "ivr")), among=ASK, group="contacts", meaning="share of questions asked by phone"),
    _last("channel", where=ASK, group="contacts", meaning="where they last asked for help"),
    _last("topic", where=ASK, group="contacts", meaning="what they last asked about"),
    *_times("30d 90d", where=ASK | Where(topic=("billing", "bill_clarity")), group="contacts", meaning="questions about the bill"),
    *_times("30d 90d", where=ASK | Where(topic=("outage", "coverage", "reliable_line")), group="contacts", meaning="questions about outages and coverage"),
    *_times("30d 90d", where=ASK | Where(topic=("help", "help_using")), group="contacts", meaning="questions about using the service"),
    *_times("30d 90d 365d", where=COMPLAIN, group="contacts", meaning="complaints"),
    *_change("90d", where=COMPLAIN, group="contacts", meaning="change of complaints"),
    _since(where=COMPLAIN, group="contacts", meaning="time since they last complained"),
)  # fmt: skip

OPEN_LOOPS = (
    *_times("7d 30d 90d 180d", where=UNSOLVED, group="open_loops", meaning="contacts left open or handed on"),
    *_change("90d", where=UNSOLVED, group="open_loops", meaning="change of contacts left open or handed on"),
    _since(where=UNSOLVED, group="open_loops", meaning="time since a contact was left open or handed on"),
    *_share("30d 90d", where=UNSOLVED, among=ASK, group="open_loops", meaning="share of questions left open or handed on"),
    *_times("30d 90d", where=HANDED_ON, group="open_loops", meaning="times they were handed on"),
    *_share("90d", where=HANDED_ON, among=ASK, group="open_loops", meaning="share of questions handed on"),
    _since(where=HANDED_ON, group="open_loops", meaning="time since they were handed on"),
    _since(where=ASK | Where(outcome="solved"), group="open_loops", meaning="time since a question was solved"),
    _last("outcome", where=ASK, group="open_loops", meaning="how their last question ended"),
    *_times("90d", where=COMPLAIN | UNSOLVED, group="open_loops", meaning="complaints left open or handed on"),
    *_times("90d", where=Where(action="request") | UNSOLVED, group="open_loops", meaning="requests left open or handed on"),
)  # fmt: skip

MOOD = (
    Feature("journey", "sum", "sentiment", "90d", group="contacts", meaning="how they sounded in 90 days, added up"),
    *_mean("30d 90d 180d", group="mood", meaning="how they sounded on average"),
    *_worst("30d 90d", group="mood", meaning="how they sounded at worst"),
    _last("sentiment", group="mood", meaning="how they last sounded"),
    *_times("30d 90d", where=DISPLEASED, group="mood", meaning="times they sounded displeased"),
    *_share("90d", where=DISPLEASED, among=SOUNDED, group="mood", meaning="share of contacts in which they sounded displeased"),
    *_change("90d", where=DISPLEASED, group="mood", meaning="change of times they sounded displeased"),
    _since(where=DISPLEASED, group="mood", meaning="time since they last sounded displeased"),
)  # fmt: skip

LEAVING_SIGNS = (
    *_times("60d 180d 365d", where=CANCEL, group="leaving_signs", meaning="enquiries about cancelling"),
    _since(where=CANCEL, group="leaving_signs", meaning="time since they last asked about cancelling"),
    *_times("60d 180d", where=COMPARE, group="leaving_signs", meaning="comparisons with rivals"),
    *_change("30d", where=COMPARE, group="leaving_signs", meaning="change of comparisons with rivals"),
    _since(where=COMPARE, group="leaving_signs", meaning="time since they last compared us with rivals"),
    *_times("30d 90d", where=Where(action="search", topic=("price", "lower_price")), group="leaving_signs", meaning="searches for prices"),
    *_times("30d 90d", where=Where(action="view", topic="contract"), group="leaving_signs", meaning="looks at the contract"),
)  # fmt: skip

ACCOUNT = (
    *_times("90d", where=ASK, of="account", group="account", meaning="times anyone on the account asked for help"),
    *_times("90d", where=UNSOLVED, of="account", group="account", meaning="contacts of the account left open or handed on"),
    *_times("90d", where=COMPLAIN, of="account", group="account", meaning="complaints on the account"),
    *_times("90d", where=DISPLEASED, of="account", group="account", meaning="times anyone on the account sounded displeased"),
    *_times("60d 180d", where=CANCEL, of="account", group="account", meaning="enquiries about cancelling on the account"),
    *_times("60d", where=COMPARE, of="account", group="account", meaning="comparisons with rivals on the account"),
)  # fmt: skip

INTEREST = (
    *_times("90d 365d", where=ORDER, group="interest", meaning="orders"),
    *_worth("365d", where=ORDER, group="interest", meaning="worth of what they ordered"),
    *_times("90d", where=ORDER | Where(outcome="abandoned"), group="interest", meaning="orders given up half-way"),
    _since(where=ORDER, group="interest", meaning="time since they last ordered"),
    _since(where=Where(action="renew"), group="relationship", meaning="time since they last renewed the contract"),
    *_times("30d 90d", where=TOP_UP, group="bills", meaning="top-ups"),
    *_worth("30d 90d", where=TOP_UP, group="bills", meaning="topped up"),
    *_change("90d", where=TOP_UP, group="bills", meaning="change of top-ups"),
    _since(where=TOP_UP, group="bills", meaning="time since they last topped up"),
    _last("topic", "60d", where=LOOK, group="interest", meaning="what they last looked at"),
    *(feature for topics, words in TOPICS for feature in _times("60d", where=Where(topic=topics), group="interest", meaning=f"touches about {words}")),
    *(_since(where=Where(topic=topics), group="interest", meaning=f"time since any touch about {words}") for topics, words in TOPICS),
    *(_since(where=Where(action=("request", "order"), topic=need), group="interest", meaning=f"time since they asked for: {words}") for need, words in NEEDS.items()),
)  # fmt: skip

FEATURES = (*PHASES, *CONTACTS, *OPEN_LOOPS, *MOOD, *LEAVING_SIGNS, *ACCOUNT, *INTEREST)
