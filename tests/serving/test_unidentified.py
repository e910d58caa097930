"""Those nobody has a name for, and those who may be one of several: what is said of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from opened_engine import Opened, Seen, fill, opened
from running import Service
from small_operator import Operator

from features.conditions import DAY
from features.history import History
from features.visitors import NAMED, history_of, own_facts, visits
from models import bundle
from models.bundle import Model
from models.registry import Registry
from serving import champion
from serving.deciding.match import CERTAIN
from serving.deciding.vector import Vector
from serving.errors import StartError
from serving.schemas import ChurnMixture
from serving.settings import instant


def visitor_model(operator: Operator, task: str) -> Model:
    return bundle.load(Registry(operator.settings.models).champion(f"{task}.visitors").path)


def unnamed(operator: Operator) -> np.ndarray:
    """Ids of cookies that were used and are nobody's that is known at the end, the latest first."""
    history = operator.history
    found = visits(history, "customer", history.start, history.end)
    end = np.full(len(found), history.end)
    row, _ = history.owners("customer", found.key, end, end)
    free = np.bincount(row, minlength=len(found)) == 0
    return found.key[free][np.argsort(-found.cutoff[free])]


def same(vector: Vector | None, row: pd.DataFrame) -> bool:
    """Whether a vector has the bits of a frame of one row."""
    assert vector is not None
    wanted = row.reset_index(drop=True)
    got = vector.frame(list(wanted.columns))
    numbers = [n for n in wanted if wanted[n].dtype == np.float32]
    words = [n for n in wanted if n not in numbers]
    one, other = (frame[numbers].to_numpy(np.float32).view(np.uint32) for frame in (got, wanted))
    return bool((one == other).all()) and all(
        (got[n].isna()[0] and wanted[n].isna()[0]) or got[n][0] == wanted[n][0] for n in words
    )


def test_a_key_never_seen_gets_the_base_rates(service: Service) -> None:
    body = service.ask(("cookie", "never seen before"), channel="web").json()
    churn, needs = (visitor_model(service.operator, task) for task in ("churn", "needs"))
    rates = churn.manifest.labels
    assert body["visitor"] == {"p_customer": rates[NAMED].base[-1], "known": False, "judged_at": None}
    assert body["churn"]["curve"] == dict(zip(("30", "60", "90"), rates["leaves"].base, strict=True))
    told = {n["need"]: n["probability"] for n in body["needs"]}
    assert told == {n: spec.base[-1] for n, spec in needs.manifest.labels.items() if n != NAMED}
    assert list(told.values()) == sorted(told.values(), reverse=True)
    assert body["reasons"] == []
    assert {"churn.visitors", "needs.visitors"} <= body["model"].keys()


def own(read: Seen, history: History, *keys: int) -> pd.DataFrame:
    """What the facts of some keys said together at the visit somebody was judged at."""
    declared, at = history.catalog.visitors, read.person.visitor.at
    return own_facts(read.history(history), keys, at, at, declared.features)


def test_a_visitor_is_scored_from_the_facts_of_the_key_alone(still: Opened, operator: Operator) -> None:
    key = int(unnamed(operator)[0])
    read = still.read(("cookie", key))
    row = own(read, operator.history, key)
    assert same(read.person.visitor.vector, row)
    assert row.notna().any(axis=None)
    nothing = read.person.vector
    assert np.isnan(nothing.numbers).all(), "nothing of a customer may be read"
    assert set(nothing.words.values()) == {None}


def test_a_visitor_is_judged_at_the_last_visit_however_long_ago_it_was(operator: Operator, tmp_path: Path) -> None:
    """As training read it: at no other instant do the trees know anything."""
    history, declared = operator.history, operator.history.catalog.visitors
    found = visits(history, "customer", history.end - 40 * DAY, history.end - 30 * DAY)
    later = visits(history, "customer", history.end - 30 * DAY, history.end)
    quiet = np.isin(found.key, unnamed(operator)) & ~np.isin(found.key, later.key)
    last = found.select(quiet).select(np.argsort(found.cutoff[quiet])[-1:])
    key, at = int(last.key[0]), int(last.cutoff[0])
    answers = []
    with opened(operator.settings, fill(tmp_path / "then.db", operator, at), at, tmp_path / "copy") as engine:
        for now in (at, at + 6 * DAY, at + 8 * DAY, history.end):
            engine.move(now)
            read = engine.read(("cookie", key))
            taught = history_of(read.history(history), last, declared.features)
            assert same(read.person.visitor.vector, taught)
            answers.append(engine.answered(read))
    assert len({b.visitor.p_customer for b in answers}) == 1
    assert {b.visitor.judged_at for b in answers} == {instant(at)}
    rates = visitor_model(operator, "churn").manifest.labels["leaves"].base
    assert answers[0].churn == answers[1].churn
    assert [tuple(b.churn.curve.values()) == rates for b in answers] == [False, False, True, True]
    assert not answers[-1].reasons


def test_several_keys_without_a_name_are_read_together(still: Opened, operator: Operator) -> None:
    one, other = (int(key) for key in unnamed(operator)[:2])
    read = still.read(("cookie", one), ("cookie", other))
    both = read.person.visitor
    again = still.read(("cookie", other), ("cookie", one), ("cookie", one)).person.visitor
    alone = [still.read(("cookie", key)).person.visitor for key in (one, other)]
    assert (both.vector.numbers.tobytes(), both.vector.words) == (again.vector.numbers.tobytes(), again.vector.words)
    assert both.at == max(v.at for v in alone)
    assert same(both.vector, own(read, operator.history, one, other))


def test_keys_visitors_are_not_asked_by_get_no_score(service: Service) -> None:
    body = service.ask(("loyalty", "2790 0000 9999"), channel="retail").json()
    assert (body["match"]["state"], body["visitor"], body["needs"]) == ("unidentified", None, None)
    assert body["churn"]["status"] == "not_applicable"


def test_a_stranger_gets_no_action_that_asks_who_it_is(service: Service) -> None:
    """No more than somebody who is one of several."""
    names = service.operator.active[:2]
    stranger = service.ask(("cookie", "never seen before"), channel="web", limit=20).json()
    several = service.ask(*(("customer", name) for name in names), channel="web", limit=20).json()
    assert {a["action"] for a in stranger["actions"]} == {a["action"] for a in several["actions"]}
    assert "identity" in {r["stage"] for r in stranger["refused"]}
    assert [(r["action"], r["stage"]) for r in stranger["refused"]] == [
        (r["action"], r["stage"]) for r in several["refused"]
    ]


def test_needs_of_a_visitor_count_as_often_as_they_are_a_customer(service: Service) -> None:
    body = service.ask(("cookie", "never seen before"), channel="web", limit=20).json()
    assert 0 < body["visitor"]["p_customer"] < 1
    told = {n["need"]: n["probability"] for n in body["needs"]}
    for action in body["actions"]:
        need = action["probability"]["need"]
        assert need is None or need <= body["visitor"]["p_customer"] * max(told.values()) + 1e-12


def test_several_candidates_are_their_mixture_with_its_range(still: Opened, operator: Operator) -> None:
    names = operator.active[:2]
    answer = still.ask(*(("customer", name) for name in names))
    alone = [still.ask(("customer", name)) for name in names]
    assert (answer.match.state, answer.match.candidates) == ("ambiguous", 2)
    assert answer.match.weights == pytest.approx([0.5, 0.5], abs=1e-3)
    assert isinstance(answer.churn, ChurnMixture)
    for days, p in answer.churn.curve.items():
        parts = [a.churn.curve[days] for a in alone]
        assert (answer.churn.low[days], answer.churn.high[days]) == (min(parts), max(parts))
        assert p == pytest.approx(np.mean(parts), abs=1e-6)
    for need in answer.needs or []:
        parts = [next(n.probability for n in a.needs or [] if n.need == need.need) for a in alone]
        assert (need.low, need.high) == (min(parts), max(parts))
        assert need.low <= need.probability <= need.high
    ids = [str(operator.id_of("customer", name)) for name in names]
    text = answer.model_dump_json()
    assert not [secret for secret in (*names, *ids) if secret in text]


def test_the_mixture_says_how_much_of_the_weight_it_covers_and_is_none_below_half(
    still: Opened, operator: Operator
) -> None:
    active = [operator.id_of("customer", name) for name in operator.active[:2]]
    gone, objecting = operator.left[0], operator.id_of("customer", operator.objecting[0])
    for other in (gone, objecting):
        most, least = still.of((active[0], 0.6), (other, 0.3)), still.of((active[0], 0.3), (other, 0.6))
        assert isinstance(most.churn, ChurnMixture)
        assert (most.churn.covered, most.churn.low, most.churn.high) == (pytest.approx(0.6), None, None)
        assert {(n.low, n.high) for n in most.needs} == {(None, None)}
        assert [n.covered for n in most.needs] == pytest.approx([0.6] * len(most.needs))
        assert (least.churn.status, least.needs) == ("not_applicable", None)
        assert "of too few of them" in least.churn.why
    several = still.of((active[0], 0.4), (active[1], 0.3), (gone, 0.2)).churn
    assert several.covered == pytest.approx(0.7)
    assert several.low["90"] < several.high["90"]
    alone = [still.of((who, 0.6)) for who in (gone, objecting)]
    assert alone[0].churn.why == alone[1].churn.why
    assert alone[0].churn.why.startswith("it is not certain enough that it is this customer")
    refused = [{(r.action, r.stage, r.why) for r in answer.refused} for answer in alone]
    assert refused[0] == refused[1], "nothing may tell who objects"
    assert "object" not in alone[1].model_dump_json()


def test_who_has_left_is_no_part_of_the_mixture(still: Opened, operator: Operator) -> None:
    several = still.read(("customer", operator.id_of("customer", operator.active[0])), ("customer", operator.left[0]))
    assert several.match.state == "ambiguous"
    assert sorted(several.person.candidates.churn.tolist()) == [False, True]


def test_a_login_makes_a_visitor_somebody(operator: Operator, tmp_path: Path) -> None:
    """Just before the link of a browser was known its owner is nobody; afterwards they are identified."""
    history = operator.history
    customer = operator.active_with("cookie")
    key = operator.id_of("cookie", operator.keys[customer]["cookie"])
    link = next(f for link, f in history.graph.links.items() if (link.child, link.parent) == ("cookie", "customer"))
    linked = int(link.loc[link["child"] == key, "known_from"].min())
    before = linked - DAY // 24
    with opened(operator.settings, fill(tmp_path / "then.db", operator, before), before, tmp_path / "copy") as engine:
        assert engine.read(("cookie", key)).match.state == "unidentified"
        engine.move(linked + 1)
        after = engine.read(("cookie", key)).match
    assert after.state == "identified"
    assert after.weights[0] >= CERTAIN - 1e-9
    assert after.entities == (operator.id_of("customer", customer),)


def test_models_that_tell_of_other_outcomes_do_not_answer_together(operator: Operator) -> None:
    churn, visitor = operator.records[0].model, operator.records[0].visitors.model
    champion.champions.belong_together("churn", churn, visitor)
    with pytest.raises(StartError, match=r"'needs' and 'needs.visitors' are not about the same outcomes"):
        champion.champions.belong_together("needs", operator.records[1].model, visitor)
