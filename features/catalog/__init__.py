"""The built-in telecom catalogue: definitions only, no data access."""

from features.catalog import calendar, contact, faults, journey, profile, sla, usage
from features.catalog.keys import KEY_TYPES, LINKS
from features.catalog.tasks import TASKS
from features.catalog.visitors import VISITORS
from features.declare import Catalog, Rule

GROUPS = {
    "relationship": "the contract and how long they have been with us",
    "account": "what happened on the same account",
    "plan": "the plan and what it costs",
    "line_faults": "faults on their own line",
    "site_faults": "outages where they live",
    "promises": "promises on repair and availability we did not keep",
    "activity": "how much they are in touch with us at all",
    "contacts": "how often they had to ask for help",
    "open_loops": "questions that are still open",
    "mood": "how they sound when they talk to us",
    "leaving_signs": "looking into leaving",
    "interest": "what they have been looking at",
    "bills": "what they were billed and how they pay",
    "use": "how much they use the service",
    "campaigns": "what we have already offered them",
    "market": "what goes on in the market they live in",
}

CATALOG = Catalog(
    key_types=KEY_TYPES,
    links=LINKS,
    features=(
        *profile.FEATURES,
        *faults.FEATURES,
        *sla.FEATURES,
        *journey.FEATURES,
        *usage.FEATURES,
        *contact.FEATURES,
        *calendar.FEATURES,
    ),
    tasks=TASKS,
    visitors=VISITORS,
    groups=GROUPS,
    objection=Rule("profile_consent_profiling_last", "is", 0.0),
)
