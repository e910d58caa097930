"""Links between registers without a common key: right where the truth is known, honest where it is not."""

from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_operator import QUICK
from people import holders, people
from pyarrow import csv
from pyarrow import parquet as pq

from features.identity.registers.compare import PERSONS, Plan, PlanError, near
from features.identity.registers.propose import ProposalError, Proposals, propose
from features.identity.registers.register import Register, RegisterError, register
from features.simulator import registers, truth

KEYS = ("customer", "loyalty")


def judged(proposals: Proposals, owner: pd.Series) -> pd.DataFrame:
    """The pairs, with whether they are true."""
    pairs = proposals.pairs
    return pairs.assign(true=(pairs["right"].map(owner) == pairs["left"]).to_numpy())


@cache
def small() -> Proposals:
    known = people()
    return propose(known, holders(known), KEYS)


@cache
def operator() -> tuple[pa.Table, pa.Table, pd.Series]:
    """CRM, shops, and whose each card is."""
    rows, owners = registers(1000, 2, 0, scenario=QUICK), truth.owners(1000, 2, 0, scenario=QUICK).to_pandas()
    held = owners[(owners.key_type == "loyalty") & owners.customer.notna()]
    return rows.crm, rows.shops, held.set_index("key")["customer"]


def test_links_of_a_simulated_operator_are_right_and_confidences_mean_what_they_say() -> None:
    crm, shops, owner = operator()
    found = propose(crm, shops, KEYS)
    pairs = judged(found, owner)
    linked = pairs[pairs.state == "linked"]
    assert linked.true.mean() >= 0.99
    assert linked.true.sum() >= 0.92 * len(owner)
    expected, spread = pairs.confidence.sum(), np.sqrt((pairs.confidence * (1 - pairs.confidence)).sum())
    assert abs(pairs.true.sum() - expected) <= 3 * spread + 2
    assert found.found == pytest.approx(len(owner) / shops.num_rows, abs=0.04)
    assert (pairs.groupby("right").confidence.sum() <= 1.001).all()
    assert (pairs.confidence <= pairs.alone + 0.001).all()
    assert linked["right"].is_unique


def test_whose_holder_is_missing_is_not_given_to_the_family() -> None:
    crm, shops, owner = operator()
    known = crm.filter(pa.array(np.random.default_rng(0).random(crm.num_rows) < 0.6))
    pairs = judged(propose(known, shops, KEYS), owner)
    linked = pairs[pairs.state == "linked"]
    assert linked.true.mean() >= 0.98
    assert linked.true.sum() >= 0.9 * owner.isin(known["customer"].to_pylist()).sum()


def test_everyone_is_found_and_no_stranger_is_linked() -> None:
    found = small()
    linked = found.pairs[found.pairs.state == "linked"]
    assert (linked.left.str[1:] == linked.right.str[1:]).all()
    assert len(linked) >= 90
    assert found.judged[0] == "L000"
    assert len(found.judged) == 120


def test_a_repeated_run_says_the_same_whatever_the_threads() -> None:
    known = people()
    again = propose(known, holders(known), KEYS, threads=1)
    pd.testing.assert_frame_equal(again.pairs, small().pairs)
    assert again.weights == small().weights


def test_two_customers_that_fit_one_card_alike_are_both_candidates() -> None:
    known = people()
    twins = pd.concat([known, known.head(1).assign(customer="CTWIN")], ignore_index=True)
    cards = holders(known)
    rivals = propose(twins, cards, KEYS).pairs.query("right == 'L000'")
    assert sorted(rivals.left) == ["C000", "CTWIN"]
    assert set(rivals.state) == {"candidate"}
    assert rivals.confidence.max() <= 0.5
    assert rivals.alone.min() > 0.9


def test_registers_without_a_column_are_compared_by_the_others() -> None:
    known = people()
    plan = PERSONS.without("email", "city")
    found = propose(
        known.drop(columns=["email", "city"]), holders(known).drop(columns=["email", "city"]), KEYS, plan=plan
    )
    linked = found.pairs[found.pairs.state == "linked"]
    assert (linked.left.str[1:] == linked.right.str[1:]).all()
    assert len(linked) >= 80
    assert "email" not in {weight.comparison for weight in found.weights}


def one_slip(a: str, b: str) -> bool:
    """By trying every slip there is."""
    letters = set(a + b)
    lost = {a[:i] + a[i + 1 :] for i in range(len(a))}
    added = {a[:i] + c + a[i:] for i in range(len(a) + 1) for c in letters}
    changed = {a[:i] + c + a[i + 1 :] for i in range(len(a)) for c in letters}
    swapped = {a[:i] + a[i + 1] + a[i] + a[i + 2 :] for i in range(len(a) - 1)}
    return b in {a} | lost | added | changed | swapped


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.text("abc", max_size=7)] * 2), min_size=30, max_size=60))
def test_near_means_one_slip(pairs: list[tuple[str, str]]) -> None:
    pairs += [(a, a[1:2] + a[:1] + a[2:]) for a, _ in pairs] + [(a, a[:-1] + b[:1]) for a, b in pairs]
    table = pa.table({"x_l": [a for a, _ in pairs], "x_r": [b for _, b in pairs]})
    with duckdb.connect() as con:
        con.register("pairs", table)
        said = con.execute(f"SELECT {near('x')} FROM pairs").fetchall()
    assert [near for (near,) in said] == [one_slip(a, b) for a, b in pairs]


def test_what_is_unknown_is_not_near() -> None:
    with duckdb.connect() as con:
        assert con.execute(f"SELECT {near('x')} FROM (SELECT NULL::VARCHAR x_l, 'a' x_r)").fetchall() == [(False,)]


COLUMNS = ("last_name", "postcode")
GOOD = pd.DataFrame({"loyalty": ["L1", "L2"], "last_name": ["Maes", None], "postcode": ["0400", "9000"]}, dtype=object)


def read(raw: object, **options: object) -> Register:
    return register(raw, "loyalty", COLUMNS, **options)  # type: ignore[arg-type]


def test_files_and_tables_are_the_same_register(tmp_path: Path) -> None:
    table = pa.Table.from_pandas(GOOD)
    csv.write_csv(table, tmp_path / "r.csv")
    pq.write_table(table, tmp_path / "r.parquet")
    rows = [read(raw).rows for raw in (GOOD, table, tmp_path / "r.csv", tmp_path / "r.parquet")]
    assert all(each.equals(rows[0]) for each in rows)
    assert rows[0]["postcode"].to_pylist() == ["0400", "9000"]


def test_spelling_is_no_difference() -> None:
    odd = GOOD.assign(last_name=["  DUBOIS ", "De  la\tCrèche"], postcode=["0400", " "])
    rows = read(odd).rows
    assert rows["last_name"].to_pylist() == ["dubois", "de la creche"]
    assert rows["postcode"].to_pylist() == ["0400", None]


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (GOOD.drop(columns="postcode"), "column 'postcode' is missing"),
        (GOOD.drop(columns="loyalty"), "column 'loyalty' is missing"),
        (GOOD.head(0), "there are no rows"),
        (GOOD.assign(postcode=None), "column 'postcode' has no value"),
        (GOOD.assign(postcode=[" ", ""]), "column 'postcode' has no value"),
        (GOOD.assign(loyalty=["L1", None]), "row 2 has no usable key"),
        (GOOD.assign(loyalty=["L\x001", "L2"]), "row 1 has no usable key"),
        (GOOD.assign(loyalty=["secret", " secret "]), "rows 1, 2 have one and the same loyalty"),
        (pd.concat([GOOD.assign(loyalty="secret")] * 4), "rows 1, 2, 3, ... (8 in all) have"),
        (GOOD.assign(postcode=[["secret"], ["secret"]]), "column 'postcode' is list"),
    ],
)
def test_a_bad_register_is_refused_by_row_and_column(raw: pd.DataFrame, words: str) -> None:
    with pytest.raises(RegisterError) as error:
        read(raw, side="the right")
    assert str(error.value).startswith("the right register: ")
    assert words in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("r.csv", b"loyalty,last_name,postcode\nL1,Maes,9000\nL2,secret\n", "row 2 has not as many values"),
        ("r.csv", b"loyalty,last_name,postcode\nL1,secret\xff,9000\n", "cannot be read as CSV in UTF-8"),
        ("r.csv", b"", "cannot be read"),
        ("r.parquet", b"secret", "cannot be read as PARQUET"),
        ("r.xlsx", b"secret", ".csv or .parquet"),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RegisterError) as error:
        read(tmp_path / name)
    assert words in str(error.value)
    assert name in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(("candidate", "link"), [(0.9, 0.5), (0.0, 0.95), (0.5, 1.5)])
def test_thresholds_in_the_wrong_order_are_refused(candidate: float, link: float) -> None:
    with pytest.raises(ProposalError, match="thresholds must rise"):
        propose(GOOD, GOOD, KEYS, candidate=candidate, link=link)


def test_registers_that_have_nothing_in_common_are_refused() -> None:
    known = people(40)
    others = holders(people(40, seed=77), n=10, strangers=0).assign(
        first_name="Zoë", last_name="Zorn", postcode="1", birth_date="2001-01-01"
    )
    with pytest.raises(ProposalError, match="too little in common to learn from"):
        propose(known, others, KEYS)


@pytest.mark.parametrize(("cards", "words"), [(30, "too little in common"), (60, "too few pairs of one person")])
def test_a_register_too_small_to_learn_from_is_refused_in_words(cards: int, words: str) -> None:
    """Of few pairs some level may have none of one person, and its m falls to nothing."""
    crm, shops, _ = operator()
    with pytest.raises(ProposalError, match=f"{words} to learn from"):
        propose(crm, shops.slice(0, cards), KEYS)


def test_a_plan_that_cannot_be_learned_is_refused() -> None:
    with pytest.raises(PlanError, match="'shoe_size' is not compared"):
        PERSONS.without("shoe_size")
    with pytest.raises(PlanError, match="'first name' could not be learned"):
        Plan(PERSONS.comparisons[:1], blocks=(("street",),), training=(("first_name",),))
    with pytest.raises(PlanError, match="no block is left"):
        Plan(PERSONS.comparisons[:1], blocks=(), training=(("street",),))
