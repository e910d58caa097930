"""Browsers nobody has logged in with yet.

Nearly everything here looks back for ever: a browser is young, and a window that meets an outage of the feed would be
missing for as long as it is long.
"""

from features.catalog.needs import NEEDS
from features.conditions import Event
from features.declare import Feature
from features.unnamed import Visitors

_LOOKED = ("discover", "explore")


def _since(meaning: str, group: str, **where: object) -> Feature:
    return Feature("journey", "since_last", where=where, group=group, meaning=f"time since they {meaning}")


FEATURES = (
    Feature("journey", "last", "topic", group="interest", meaning="what they last were here for"),
    Feature("journey", "last", "topic", where={"phase": _LOOKED}, group="interest", meaning="what they last looked at"),
    Feature("journey", "last", "action", group="contacts", meaning="what they last did"),
    Feature("journey", "last", "channel", group="contacts", meaning="where they last were"),
    Feature("journey", "last", "sentiment", group="contacts", meaning="how they last sounded"),
    _since("asked about cancelling", "leaving_signs", action="cancel_enquiry"),
    _since("compared us with rivals", "leaving_signs", action="compare"),
    _since("complained", "contacts", action="complain"),
    _since("searched", "interest", action="search"),
    _since("viewed something", "interest", action="view"),
    _since("asked for something", "interest", action=("request", "order")),
    _since("got no answer", "open_loops", outcome=("open", "handed_off")),
    _since("had a question solved", "contacts", outcome="solved"),
    *(_since(f"were here for {words}", "interest", topic=topic)
      for topic, words in (("plans", "plans"), ("price", "prices"), ("coverage", "coverage"), ("help", "help"))),
    *(_since(f"were here for {words}", "interest", topic=need) for need, words in NEEDS.items()),
)  # fmt: skip

VISITORS = Visitors(
    keys=("cookie",),
    asked=Event.of("journey", channel=("web", "chat", "app"), phase=("discover", "explore", "ask", "buy")),
    features=FEATURES,
)
