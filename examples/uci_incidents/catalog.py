"""A real service desk: will an incident miss its service level?

Asked just after an incident opens. Own fields come from the opening update alone; history is what the same caller,
location and assignment group went through before.
"""

from features.declare import Catalog, Event, Feature, Label, Link, Task, Triggered

KEY_TYPES = ("incident", "caller", "location", "group", "agent")

LINKS = (
    Link("incident", "caller"),
    Link("incident", "location"),
    Link("incident", "group"),
    Link("incident", "agent"),
)
