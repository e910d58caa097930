"""Which scope each route asks for: one table, read before routing. What is not in it is closed."""

from dataclasses import dataclass

from serving.access.stored import Scope


@dataclass(frozen=True, slots=True)
class Rule:
    """What a request must bring. ``scope``: ``None`` for any key; ``bulk``: its body may have the larger size;
    ``browser``: a person may open it, with the key as the password of HTTP Basic.
    """

    methods: frozenset[str]
    path: str
    scope: Scope | None
    bulk: bool = False
    browser: bool = False

    def meets(self, method: str, path: str) -> bool:
        """Whether the rule speaks of this request: its path, or one below it."""
        return (not self.methods or method in self.methods) and (
            path == self.path or (path.startswith(self.path) and path[len(self.path)] == "/")
        )


_GET = frozenset(("GET", "HEAD"))
_POST = frozenset(("POST",))
_ANY: frozenset[str] = frozenset()

OPEN = frozenset(("/healthz", "/readyz"))
"""The paths that need no key."""

TABLE = (
    Rule(_POST, "/v1/decisions", "decide"),
    Rule(_POST, "/v1/scores", "decide", bulk=True),
    Rule(_POST, "/v1/outcomes", "decide"),
    Rule(_POST, "/v1/events", "events", bulk=True),
    Rule(_GET, "/v1", "read"),
    Rule(_ANY, "/v1", "admin"),
    Rule(_ANY, "/metrics", "read"),
    Rule(_GET, "/docs", None, browser=True),
    Rule(_GET, "/redoc", None, browser=True),
    Rule(_GET, "/openapi.json", None, browser=True),
)
"""The first that meets a request holds."""

ELSEWHERE = Rule(_ANY, "", None)
"""Where nothing is: only who has a key may learn that."""


def rule_of(method: str, path: str) -> Rule:
    """What a request must bring, of a path that is not `OPEN`."""
    for rule in TABLE:
        if rule.meets(method, path):
            return rule
    return ELSEWHERE
