"""What a live store promises, whichever it is: one suite over a file and a real server."""

import threading
import time
from concurrent.futures import CancelledError
from itertools import pairwise

import pytest
from conftest import Place
from sqlalchemy import text

from serving.live import journal, schema, statements
from serving.live.store import EVERYTHING, Store, StoreAway, StoreError, Writing, note

HOUR = 3_600_000_000


def fact(name: str, key: int, stamp: int, rank: int = 0) -> tuple:
    """A row of a source nobody asks for."""
    return ("journey", name, stamp, key, stamp, stamp, None, False, False, False, False, rank, b"{}")


def says(name: str, key: int):
    """A work that writes one fact of a key; it comes to the stamp."""

    def work(writing: Writing) -> int:
        writing.hold([key])
        writing.run(statements.FACT, *fact(name, key, writing.stamp))
        return writing.stamp

    return work


def names_of(store: Store, key: int) -> list[str]:
    """The ids of a key's facts that a reading sees."""
    with store.reading() as reading:
        reading.hold([key])
        return sorted(row[2] for row in reading.rows(statements.ROWS, [key]) if row[5] < reading.seen)


def test_what_is_reported_done_is_seen_by_the_next_reading_and_by_other_processes(place: Place) -> None:
    store, other = place.open(), place.open()
    stamp = store.write(says("a", 7)).result()
    assert names_of(store, 7) == names_of(other, 7) == ["a"]
    with other.reading() as reading:
        assert reading.seen > stamp
        assert [bytes(row[11]) for row in reading.rows(statements.ROWS, [7])] == [b"{}"]
        assert names_of(store, 8) == []


def test_what_is_reported_done_is_there_after_the_store_was_opened_again(place: Place) -> None:
    place.open().write(says("a", 7)).result()
    place.close()
    assert names_of(place.open(), 7) == ["a"]


def test_keys_and_ranks_may_be_as_large_and_as_small_as_they_are(store: Store) -> None:
    ends = [2**63 - 1, 1, 0, -(2**63)]

    def work(writing: Writing) -> None:
        writing.hold(ends)
        for key in ends:
            writing.run(statements.FACT, *fact(f"of {key}", key, writing.stamp, rank=key))

    store.write(work).result()
    with store.reading() as reading:
        reading.hold(ends)
        rows = reading.rows(statements.ROWS, ends)
    assert {row[0] for row in rows} == {row[10] for row in rows} == set(ends)
    assert not any(row[7] or row[8] or row[9] for row in rows)


def test_stamps_of_a_key_rise_with_what_is_done_before(place: Place) -> None:
    stores = [place.open(), place.open()]
    stamps = [stores[i % 2].write(says(f"a{i}", 7)).result() for i in range(20)]
    assert all(earlier < later for earlier, later in pairwise(stamps))


def test_stamps_rise_though_the_clock_is_set_back(store: Store) -> None:
    first = store.write(says("a", 7)).result()
    store.set_clock(-HOUR)
    with store.reading() as reading:
        assert reading.seen > first
        assert reading.now < first
    second = store.write(says("b", 7)).result()
    third = store.write(says("c", 7)).result()
    assert first < second < third
    assert names_of(store, 7) == ["a", "b", "c"]


def test_a_reading_does_not_see_what_comes_after_its_cut(store: Store) -> None:
    store.write(says("a", 7)).result()
    with store.reading() as reading:
        reading.hold([7])
        seen = reading.seen
        later = store.write(says("b", 7))
        if not store.inline:
            assert later.result() >= seen  # readings keep nobody waiting
        rows = [row for row in reading.rows(statements.ROWS, [7]) if row[5] < reading.seen]
        assert [row[2] for row in rows] == ["a"]
    assert later.result() >= seen


def test_the_clock_is_the_machines_and_an_offset_that_all_share(place: Place) -> None:
    store = place.open()
    assert abs(store.clock() - store.machine_clock()) < 5_000_000
    store.set_clock(-HOUR)
    for one in (store, place.open()):
        assert abs(one.machine_clock() - HOUR - one.clock()) < 5_000_000
        with one.reading() as reading:
            assert abs(one.clock() - reading.now) < 5_000_000
    assert abs(store.write(lambda writing: writing.now).result() - store.clock()) < 5_000_000


def test_texts_are_kept_and_replaced(place: Place) -> None:
    store = place.open()
    with store.engine.begin() as core:
        note(core, workspace="telecom", patience=3)
    with store.engine.begin() as core:
        note(core, patience=4)
    said = {"version": schema.VERSION, "workspace": "telecom", "patience": "4"}
    assert said.items() <= place.open().texts().items()


def test_tables_of_another_version_are_refused(place: Place) -> None:
    with place.open().engine.begin() as core:
        note(core, version="0")
    with pytest.raises(StoreError, match=r"version 0.*tieline load --anew"):
        place.open()


def test_one_failing_work_harms_no_other(store: Store) -> None:
    def failing(writing: Writing) -> None:
        says("never", 7)(writing)
        raise KeyError("my own mistake")

    def refused(writing: Writing) -> None:
        for _ in range(2):
            says("twice at once", 7)(writing)

    works = [says("a", 7), failing, says("b", 7), refused, says("c", 8)]
    waiting = [store.write(work) for work in works]
    for good in (0, 2, 4):
        assert waiting[good].result() > 0
    with pytest.raises(KeyError, match="my own mistake"):
        waiting[1].result()
    with pytest.raises(Exception, match=r"(?i)unique"):
        waiting[3].result()
    assert names_of(store, 7) == ["a", "b"]
    assert names_of(store, 8) == ["c"]


def test_whoever_gives_up_waiting_harms_nobody(store: Store) -> None:
    going = threading.Event()

    def slow(writing: Writing) -> None:
        going.wait(5)

    first = store.write(slow)
    given_up = [store.write(says(f"a{i}", 7)) for i in range(20)]
    for one in given_up:
        one.cancel()
    first.cancel()
    going.set()
    for one in given_up:
        try:
            one.result(5)
        except CancelledError:
            continue
    store.write(says("b", 7)).result(5)
    assert "b" in names_of(store, 7)


def test_what_is_settled_stays_as_it_is(place: Place) -> None:
    store, other = place.open(), place.open()
    before = store.write(says("a", 7)).result()
    assert store.settled() > before
    inside, going = threading.Event(), threading.Event()

    def slow(writing: Writing) -> int:
        writing.hold([7])
        stamp = writing.stamp
        inside.set()
        assert going.wait(5)
        writing.run(statements.FACT, *fact("slow", 7, stamp))
        return stamp

    writing = store.write(slow)
    assert inside.wait(5)
    cut = other.settled()
    going.set()
    assert before < cut <= writing.result()
    assert store.settled() > writing.result()


def test_a_decision_is_written_down_once(store: Store) -> None:
    for body in (b"first", b"second"):
        store.write(journal.writes("d" * 32, 5, None, body)).result()
    with store.reading() as reading:
        kept = journal.find(reading, "d" * 32)
        assert journal.find(reading, "nobody's") is None
    assert kept is not None
    assert (kept.at, kept.erased, kept.body) == (5, False, b"first")


def test_whoever_holds_everything_is_alone(place: Place) -> None:
    store, inside = place.open(), threading.Event()

    def alone(writing: Writing) -> int:
        writing.hold([EVERYTHING])
        inside.set()
        time.sleep(0.2)
        writing.run(statements.FACT, *fact("alone", 7, writing.stamp))
        return writing.stamp

    first = store.write(alone)
    assert inside.wait(5)
    second = place.open().write(says("b", 7))
    assert first.result() < second.result()
    assert names_of(store, 7) == ["alone", "b"]


def test_a_writing_may_be_about_very_many_keys(store: Store) -> None:
    def work(writing: Writing) -> None:
        writing.hold(range(1, 30_000))
        writing.run_many(statements.FACT, [fact(f"of {key}", key, writing.stamp) for key in range(1, 50)])

    store.write(work).result()
    assert names_of(store, 49) == ["of 49"]


def test_a_closed_store_says_so(place: Place) -> None:
    store = place.open()
    last = store.write(says("a", 7))
    place.close()
    assert last.result() > 0
    assert store.waiting == 0
    with pytest.raises(StoreAway, match="being closed"):
        store.write(says("b", 7))


def test_many_may_open_a_new_store_at_once(place: Place) -> None:
    failed: list[Exception] = []

    def opening() -> None:
        try:
            place.open()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=opening) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    with place.opened[0].engine.connect() as core:
        assert core.execute(text("SELECT count(*) FROM clock")).scalar_one() == 1
