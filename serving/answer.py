"""A decision in the words and form of the API."""

from features.declare import Catalog
from models.nba.catalogue import Catalogue
from models.reasons import Reason
from serving import words
from serving.champion import Champions
from serving.decide import Churn, Decision, Offer, Person
from serving.match import Match
from serving.schemas import (
    ActionAnswer,
    ChancesAnswer,
    ChurnNotApplicable,
    ChurnScored,
    CutsAnswer,
    DecisionAnswer,
    FactAnswer,
    MatchAnswer,
    MatchedKey,
    ModelAnswer,
    NeedAnswer,
    PartsAnswer,
    ReasonAnswer,
    RefusedAnswer,
    WordsAnswer,
)


def answer(
    decision_id: str,
    found: Match,
    person: Person,
    decision: Decision,
    models: Champions,
    catalog: Catalog,
    actions: Catalogue,
    cuts: CutsAnswer,
) -> DecisionAnswer:
    """The answer to a request: nothing in it names the person."""
    return DecisionAnswer(
        decision_id=decision_id,
        match=match_answer(found),
        churn=churn_answer(decision.churn, person.no_churn or ""),
        needs=needs_answer(decision, actions),
        reasons=[reason_answer(r, catalog) for r in raising_first(decision.churn)],
        currency=actions.currency,
        actions=[action_answer(offer, actions) for offer in decision.offers],
        refused=[RefusedAnswer(action=r.action, stage=r.stage, why=r.why) for r in decision.refused],
        model=model_answer(models),
        cuts=cuts,
    )


def model_answer(models: Champions) -> dict[str, ModelAnswer]:
    """Which versions answer."""
    return {name: ModelAnswer(version=c.version, id=c.model.id) for name, c in models.named.items()}


def match_answer(found: Match) -> MatchAnswer:
    """Who it is, without a key."""
    keys = [MatchedKey(type=key_type, known=known) for key_type, known in found.keys]
    return MatchAnswer(state=found.state, candidates=len(found.entities), keys=keys)


def churn_answer(churn: Churn | None, why_not: str) -> ChurnScored | ChurnNotApplicable:
    """The curve and band, or why there is none."""
    if churn is None:
        return ChurnNotApplicable(status="not_applicable", why=why_not)
    return ChurnScored(status="scored", curve={str(d): p for d, p in churn.curve.items()}, band=churn.band)


def needs_answer(decision: Decision, actions: Catalogue) -> list[NeedAnswer] | None:
    """Likeliest first; a need the action catalogue has no words for speaks by its name."""
    if decision.needs is None:
        return None
    return [NeedAnswer(need=n, words=actions.needs.get(n, n), probability=p) for n, p in decision.needs]


def raising_first(churn: Churn | None) -> list[Reason]:
    """What raised the risk, strongest first, then what lowered it: an agent asks why they may leave."""
    return sorted(churn.reasons, key=lambda r: (r.effect < 0, -abs(r.effect))) if churn else []


def reason_answer(reason: Reason, catalog: Catalog) -> ReasonAnswer:
    """A reason in the catalogue's words."""
    declared = {f.name: f for f in catalog.features}
    facts = [
        FactAnswer(
            feature=name,
            meaning=declared[name].meaning or name,
            words=words.fact(declared[name], value, typical),
            value=value,
            typical=typical,
        )
        for name, value, typical in reason.features
    ]
    group = catalog.groups.get(reason.group, reason.group)
    return ReasonAnswer(group=reason.group, words=group, effect_points=reason.effect, facts=facts)


def action_answer(offer: Offer, actions: Catalogue) -> ActionAnswer:
    """An offer with its value, the terms of that, and a sentence that says the same."""
    action = offer.action
    return ActionAnswer(
        action=action.id,
        kind=action.kind,
        words=WordsAnswer(agent=action.words.agent, customer=action.words.customer),
        value=offer.value,
        parts=PartsAnswer(**offer.parts),
        probability=ChancesAnswer(accept=action.prior_effect.accept, need=offer.need, stay_points=100 * offer.stay),
        slot=offer.slot,
        propensity=offer.propensity,
        why=why(offer, actions),
    )


def why(offer: Offer, actions: Catalogue) -> str:
    """The value in a sentence: ``worth 6.40 EUR: need of a device (34 %) 8.00, cost -1.60``."""
    if offer.action.kind == "nothing":
        return "nothing else that is allowed is worth more"
    named = {
        "needs": f"need of {' or '.join(actions.needs[n] for n in offer.action.needs)} ({offer.need or 0:.0%})",
        "stay": f"{100 * offer.stay:.1f} points less risk of leaving",
        "worth": "worth doing in itself",
        "cost": "cost",
        "discount": "discount, also to those who would stay anyway",
    }
    terms = [f"{words} {offer.parts[name]:+.2f}" for name, words in named.items() if offer.parts[name]]
    return f"worth {offer.value:.2f} {actions.currency}: {', '.join(terms) or 'it costs nothing'}"
