"""The kinds of keys a telecom operator's systems use, and which belongs to which."""

from features.declare import Link

KEY_TYPES = ("customer", "account", "line", "msisdn", "email", "cookie", "device", "loyalty", "site", "market")

LINKS = (
    Link("line", "customer", back=None, shared=30),
    Link("msisdn", "customer", trust=0.98, shared=30),
    Link("email", "customer", back=None, trust=0.97, shared=4, undone=True),
    Link("cookie", "customer", back="90d", trust=0.9, shared=8),
    Link("device", "customer", trust=0.95, shared=8),
    Link("loyalty", "customer", back=None, trust=0.95, shared=4, undone=True),
    Link("loyalty", "email", back=None, trust=0.95, shared=4, undone=True),
    Link("customer", "customer", back=None, shared=5),
    Link("customer", "account", back=None, shared=100),
    Link("customer", "site", rolls_up=False, back=None, shared=100),
    Link("site", "market", rolls_up=False, back=None),
)
