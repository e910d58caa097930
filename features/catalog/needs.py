"""The nine needs and how an agent would say them."""

NEEDS = {
    "faster_line": "a faster line",
    "reliable_line": "a more reliable line",
    "lower_price": "a lower price",
    "bill_clarity": "a bill they understand",
    "device": "a new device",
    "roaming": "roaming",
    "extra_line": "an extra line",
    "help_using": "help using the service",
    "security": "security",
}
