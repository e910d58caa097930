"""A decision in the words and form of the API."""

from features.declare import Catalog
from models.nba.catalogue import Catalogue
from models.reasons import Reason
from serving import words
from serving.champion import Champions
from serving.decide import Decision, Offer, Person
from serving.match import Match
from serving.schemas import (
    ActionAnswer,
    ChancesAnswer,
    ChurnGivenCustomer,
    ChurnMixture,
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
    VisitorAnswer,
    WordsAnswer,
)
from serving.scores import Churn, Need, Scores
from serving.settings import instant


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
    found_scores = decision.scores
    return DecisionAnswer(
        decision_id=decision_id,
        match=match_answer(found),
        visitor=visitor_answer(person, found_scores),
        churn=churn_answer(found_scores.churn, person.no_churn or ""),
        needs=needs_answer(found_scores, actions),
        reasons=[reason_answer(r, catalog) for r in raising_first(found_scores.churn)],
        currency=actions.currency,
        actions=[action_answer(offer, actions) for offer in decision.offers],
        refused=[RefusedAnswer(action=r.action, stage=r.stage, why=r.why) for r in decision.refused],
        model=model_answer(models),
        cuts=cuts,
    )


def model_answer(models: Champions) -> dict[str, ModelAnswer]:
    """Which versions answer."""
    return {name: ModelAnswer(version=c.version, id=c.model.id) for name, c in models.all.items()}


def match_answer(found: Match) -> MatchAnswer:
    """Who it is, without a key."""
    keys = [MatchedKey(type=key_type, known=known) for key_type, known in found.keys]
    weights = sorted((min(w, 1.0) for w in found.weights.tolist()), reverse=True)
    return MatchAnswer(state=found.state, candidates=len(found.entities), weights=weights, keys=keys)


def visitor_answer(person: Person, scores: Scores) -> VisitorAnswer | None:
    """How likely somebody without a name is a customer."""
    if person.visitor is None or scores.customer is None:
        return None
    at = person.visitor.at
    return VisitorAnswer(
        p_customer=scores.customer, known=at is not None, judged_at=None if at is None else instant(at)
    )


def churn_answer(
    churn: Churn | None, why_not: str
) -> ChurnScored | ChurnGivenCustomer | ChurnMixture | ChurnNotApplicable:
    """The curve and band, or why there is none."""
    if churn is None:
        return ChurnNotApplicable(status="not_applicable", why=why_not)
    curve = {str(d): p for d, p in churn.curve.items()}
    if churn.covered is not None:
        low, high = ({str(d): pair[i] for d, pair in churn.range.items()} if churn.range else None for i in (0, 1))
        return ChurnMixture(status="mixture", curve=curve, low=low, high=high, band=churn.band, covered=churn.covered)
    if churn.basis == "given_customer":
        return ChurnGivenCustomer(status="given_customer", curve=curve, band=churn.band)
    return ChurnScored(status="scored", curve=curve, band=churn.band)


def needs_answer(scores: Scores, actions: Catalogue) -> list[NeedAnswer] | None:
    """Likeliest first; a need the action catalogue has no words for speaks by its name."""
    if scores.needs is None:
        return None
    return [need_answer(need, actions) for need in scores.needs]


def need_answer(need: Need, actions: Catalogue) -> NeedAnswer:
    """A need in the catalogue's words."""
    low, high = need.range or (None, None)
    words = actions.needs.get(need.name, need.name)
    return NeedAnswer(
        need=need.name, words=words, probability=need.probability, low=low, high=high, covered=need.covered
    )


def raising_first(churn: Churn | None) -> list[Reason]:
    """What raised the risk, strongest first, then what lowered it: an agent asks why they may leave."""
    return sorted(churn.reasons, key=lambda r: (r.effect < 0, -abs(r.effect))) if churn else []


def reason_answer(reason: Reason, catalog: Catalog) -> ReasonAnswer:
    """A reason in the catalogue's words."""
    read = (*catalog.features, *(catalog.visitors.features if catalog.visitors else ()))
    declared = {f.name: f for f in read}
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
