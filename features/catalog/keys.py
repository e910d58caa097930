"""The kinds of keys a telecom operator's systems use, and which belongs to which."""

from features.declare import Link

KEY_TYPES = ("customer", "account", "line", "msisdn", "email", "cookie", "device", "loyalty", "site", "market")

LINKS = (
    Link("line", "customer", back=None),
    Link("msisdn", "customer"),
    Link("email", "customer", back=None),
    Link("cookie", "customer", back="90d"),
    Link("device", "customer"),
    Link("loyalty", "customer", back=None),
    Link("loyalty", "email", back=None),
    Link("customer", "account", back=None),
    Link("customer", "site", rolls_up=False, back=None),
)
