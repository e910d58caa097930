"""The words the operator's systems use, and their codes inside the simulation."""

from features.facts import SOURCES
from features.simulator.scenario import NEEDS

KEY_TYPES = ("customer", "account", "line", "msisdn", "email", "cookie", "device", "loyalty", "site", "market")
PLANS = ("start", "plus", "max", "ultra")
PLAN_PRICES = (18.0, 28.0, 40.0, 58.0)
SEGMENTS = ("consumer", "youth", "family", "senior", "enterprise")
REGIONS = ("north", "east", "south", "west", "centre")
ACTIONS = (
    "do_nothing",
    "loyalty_discount",
    "right_size_plan",
    "contract_renewal",
    "faster_plan",
    "device_offer",
    "roaming_pass",
    "extra_line",
    "security_pack",
    "bill_review",
    "line_check",
    "tech_visit",
    "goodwill_credit",
    "owner_call_back",
    "how_to_help",
    "outage_update",
)
CAMPAIGNS = ("faster_plan", "device_offer", "extra_line", "newsletter", "prize_draw")
"""What other systems send."""

_WORDS: dict[tuple[str, str], tuple[str, ...]] = {
    ("journey", "action"): (
        "view",
        "search",
        "compare",
        "login",
        "order",
        "request",
        "call",
        "complain",
        "chat",
        "visit",
        "pay",
        "top_up",
        "survey",
        "share",
        "cancel_enquiry",
        "renew",
    ),
    ("journey", "topic"): (
        *NEEDS,
        "plans",
        "billing",
        "outage",
        "speed",
        "coverage",
        "price",
        "help",
        "contract",
    ),
    ("journey", "outcome"): ("solved", "open", "handed_off", "abandoned", "ordered", "none"),
    ("faults", "category"): ("no_service", "slow", "drops", "planned_work"),
    ("sla", "metric"): ("resolution_hours", "availability"),
    ("usage", "metric"): ("bill", "payment", "late_days", "gigabytes", "minutes"),
    ("profile", "plan"): PLANS,
    ("profile", "segment"): SEGMENTS,
    ("profile", "region"): REGIONS,
    ("contact", "action"): (*ACTIONS, "newsletter", "prize_draw"),
    ("calendar", "kind"): ("season", "rival_campaign", "price_rise"),
    ("calendar", "region"): REGIONS,
}


def words(source: str, column: str) -> tuple[str, ...]:
    """The values a category column takes, in code order: declared by the source, else by the operator."""
    declared = SOURCES[source].column(column).values
    return declared or _WORDS[source, column]


def code(source: str, column: str, word: str) -> int:
    """The code of a word; raises `ValueError` naming the words there are."""
    known = words(source, column)
    if word not in known:
        raise ValueError(f"{source}.{column} is never '{word}' (it is one of: {', '.join(known)})")
    return known.index(word)
