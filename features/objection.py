"""Who objects to profiling (GDPR, article 21), as the facts say it: nothing is predicted of them or learned from them.

The catalogue's ``objection`` rule says how an objection is known; what is missing is none, unless the rule says so
(``Rule("profile_consent_profiling_last", "is_not", 1.0)`` is a regime of consent). The rule of time holds: an objection
counts from when it is known, and so does its withdrawal.
"""

import numpy as np

from features.declare import Catalog
from features.engine.columns import FOREVER
from features.history import History
from features.purposes import purposes
from features.rules import holds

WORDS = "they object to profiling"

LATEST = FOREVER - 1
"""Whatever is in the lake is known by then, also what became known after the feeds are covered to."""


def objects(
    history: History, entity_type: str, entities: np.ndarray, instants: np.ndarray, seen: np.ndarray | None = None
) -> np.ndarray:
    """(p,) bool: who objects at an instant, as known at ``seen`` (by default then). UTC microseconds.

    A live call asks at *now*, also where windows end before: an objection is not to wait for the slowest feed.
    """
    rule = history.catalog.objection
    if rule is None or not len(entities):
        return np.zeros(len(entities), bool)
    feature = next(f for f in history.catalog.features if f.name == rule.feature)
    return holds((rule,), history.frame(entity_type, entities, instants, (feature,), seen))


def never_used(history: History, entity_type: str, entities: np.ndarray, cutoffs: np.ndarray) -> np.ndarray:
    """(p,) bool: the pairs no model may learn from or be tested on.

    Those of who objected at the cutoff, and all of who objects as far as the lake knows: to train on the past of
    somebody is to use it now. Who withdraws comes back, but for the cutoffs while the objection stood.
    """
    then = objects(history, entity_type, entities, cutoffs)
    heads = history.heads(entity_type, entities, LATEST)  # of who was merged since, whoever stands for them objects
    once, place = np.unique(heads, return_inverse=True)
    latest = np.full(len(once), history.end + 1, np.int64)
    now = objects(history, entity_type, once, latest, np.full(len(once), LATEST, np.int64))
    return then | now[place.reshape(-1)]


def served(catalog: Catalog) -> frozenset[str]:
    """Names of the features that may be read of who objects: those over sources declared for service.

    They let a service message reach them (a disturbance on their line); no score is made from them.
    """
    return frozenset(f.name for f in catalog.features if "service" in purposes(f.source, catalog.purposes))
