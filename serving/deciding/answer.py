"""A decision in the words and form of the API, in one pass from numbers to bytes.

What does not depend on the person stands ready as JSON. `serving.schemas.DecisionAnswer` declares the form; a test
holds every answer against it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from models.nba.catalogue import Catalogue
from models.reasons import Reason
from serving.deciding.decide import PARTS, Decision, Offer, Person
from serving.deciding.match import Match
from serving.deciding.panel import Panel
from serving.deciding.scores import Churn, Need, Scores
from serving.deciding.words import Sayer
from serving.settings import instant

JSON = orjson.OPT_UTC_Z
Object = dict[str, Any]


class Speaker:
    """Says what a panel decides. ``model``: which versions answer, ``versions`` the same as pairs with their ids."""

    def __init__(self, panel: Panel) -> None:
        ground = panel.ground
        catalog, self.actions = ground.catalog, ground.policy.catalogue
        read = (*catalog.features, *(catalog.visitors.features if catalog.visitors else ()))
        self._sayers = {f.name: Sayer(f) for f in read}
        self._groups = catalog.groups
        self.model = {n: {"version": c.version, "id": c.model.id} for n, c in panel.champions.all.items()}
        self.versions = {n: (c.version, c.model.id) for n, c in panel.champions.all.items()}
        self._model = orjson.Fragment(orjson.dumps(self.model))
        self._refusals = [
            orjson.dumps({"action": r.action, "stage": r.stage, "why": r.why}) for r in ground.policy.refusals
        ]
        self._actions = {
            a.id: orjson.Fragment(orjson.dumps({"agent": a.words.agent, "customer": a.words.customer}))
            for a in self.actions.choices
        }

    def answer(
        self,
        decision_id: str,
        found: Match,
        person: Person,
        decision: Decision,
        now: int,
        seen: int,
        silent: Sequence[str] = (),
        degraded: Sequence[str] = (),
    ) -> bytes:
        """The answer to a request: nothing in it names the person."""
        said = self.said(found, person, decision.scores)
        said["currency"] = self.actions.currency
        said["actions"] = [self._offer(offer) for offer in decision.offers]
        refused = b",".join(map(self._refusals.__getitem__, decision.refused))
        said["refused"] = orjson.Fragment(b"[" + refused + b"]")
        said["model"] = self._model
        said["cuts"] = cuts(now, seen, silent)
        said["degraded"] = list(degraded)
        return orjson.dumps({"decision_id": decision_id, **said}, option=JSON)

    def said(self, found: Match, person: Person, scores: Scores) -> Object:
        """Who it is and what is likely, without actions."""
        return {
            "match": match_answer(found),
            "visitor": visitor_answer(person, scores),
            "churn": churn_answer(scores.churn, person.no_churn or ""),
            "needs": None if scores.needs is None else [need_answer(n, self.actions) for n in scores.needs],
            "reasons": [self._reason(r) for r in raising_first(scores.churn)],
        }

    def _reason(self, reason: Reason) -> Object:
        facts = []
        for name, value, typical in reason.features:
            sayer = self._sayers[name]
            words = sayer.fact(value, typical)
            said = {"feature": name, "meaning": sayer.meaning, "words": words, "value": value, "typical": typical}
            facts.append(said)
        group = self._groups.get(reason.group, reason.group)
        return {"group": reason.group, "words": group, "effect_points": reason.effect, "facts": facts}

    def _offer(self, offer: Offer) -> Object:
        """An offer with its value, the terms of that, and a sentence that says the same."""
        action = offer.action
        return {
            "action": action.id,
            "kind": action.kind,
            "words": self._actions[action.id],
            "value": offer.value,
            "parts": dict(zip(PARTS, offer.parts, strict=True)),
            "probability": {
                "accept": action.prior_effect.accept,
                "need": offer.need,
                "stay_points": 100 * offer.stay,
            },
            "slot": offer.slot,
            "propensity": offer.propensity,
            "why": why(offer, self.actions),
        }


def cuts(now: int, seen: int, silent: Sequence[str]) -> Object:
    """The two cuts, and the feeds whose windows are missing at them."""
    return {"windows_end": instant(now), "visible_to": instant(seen), "silent": list(silent)}


def match_answer(found: Match) -> Object:
    """Who it is, without a key."""
    keys = [{"type": key_type, "known": known} for key_type, known in found.keys]
    weights = sorted((min(w, 1.0) for w in found.weights), reverse=True)
    return {"state": found.state, "candidates": len(found.entities), "weights": weights, "keys": keys}


def visitor_answer(person: Person, scores: Scores) -> Object | None:
    """How likely somebody without a name is a customer."""
    if person.visitor is None or scores.customer is None:
        return None
    at = person.visitor.at
    judged: datetime | None = None if at is None else instant(at)
    return {"p_customer": scores.customer, "known": at is not None, "judged_at": judged}


def churn_answer(churn: Churn | None, why_not: str) -> Object:
    """The curve and band, or why there is none."""
    if churn is None:
        return {"status": "not_applicable", "why": why_not}
    curve = {str(d): p for d, p in churn.curve.items()}
    if churn.covered is not None:
        low, high = ({str(d): pair[i] for d, pair in churn.range.items()} if churn.range else None for i in (0, 1))
        span = {"low": low, "high": high}
        return {"status": "mixture", "curve": curve, **span, "band": churn.band, "covered": churn.covered}
    return {"status": churn.basis, "curve": curve, "band": churn.band}


def need_answer(need: Need, actions: Catalogue) -> Object:
    """A need in the catalogue's words; one it has none for speaks by its name."""
    name, p, span, covered = need
    low, high = span or (None, None)
    words = actions.needs.get(name, name)
    return {"need": name, "words": words, "probability": p, "low": low, "high": high, "covered": covered}


def raising_first(churn: Churn | None) -> list[Reason]:
    """What raised the risk, strongest first, then what lowered it: an agent asks why they may leave."""
    return sorted(churn.reasons, key=lambda r: (r.effect < 0, -abs(r.effect))) if churn else []


def why(offer: Offer, actions: Catalogue) -> str:
    """The value in a sentence: ``worth 6.40 EUR: need of a device (34 %) 8.00, cost -1.60``."""
    if offer.action.kind == "nothing":
        return "nothing else that is allowed is worth more"
    worth, needs, stay, cost, discount = offer.parts
    terms = []
    if worth:
        terms.append(f"worth doing in itself {worth:+.2f}")
    if needs:
        named = " or ".join([actions.needs[n] for n in offer.action.needs])
        terms.append(f"need of {named} ({offer.need or 0:.0%}) {needs:+.2f}")
    if stay:
        terms.append(f"{100 * offer.stay:.1f} points less risk of leaving {stay:+.2f}")
    if cost:
        terms.append(f"cost {cost:+.2f}")
    if discount:
        terms.append(f"discount, also to those who would stay anyway {discount:+.2f}")
    return f"worth {offer.value:.2f} {actions.currency}: {', '.join(terms) or 'it costs nothing'}"
