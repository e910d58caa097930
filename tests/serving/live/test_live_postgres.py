"""What only a server can do to a store: overlapping transactions, locks, restarts, other roles, limits of time."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from conftest import Place
from database import Server
from test_live_store import fact, names_of, says

from serving.live import statements
from serving.live.postgres import PostgresStore
from serving.live.store import Store, StoreAway, StoreError, Writing


@pytest.fixture
def there(server: Server) -> Iterator[Place]:
    place = Place(server.database())
    yield place
    place.close()


def deadlocked(store: Store, other: Store) -> list[int]:
    """Two writings that hold one key each, and then want the other's: what they come to."""
    met = threading.Barrier(2)

    def crossing(mine: int, theirs: int):
        first = [True]

        def work(writing: Writing) -> int:
            writing.hold([mine])
            if first.pop() if first else False:
                met.wait(5)
            writing.hold([theirs])
            writing.run(statements.FACT, *fact(f"of {mine}", mine, writing.stamp))
            return writing.stamp

        return work

    return [one.result(20) for one in (store.write(crossing(1, 2)), other.write(crossing(2, 1)))]


def test_writings_that_wait_for_each_other_are_begun_anew(there: Place) -> None:
    store, other = there.open(), there.open()
    assert len(set(deadlocked(store, other))) == 2
    assert names_of(store, 1) == ["of 1"]
    assert names_of(store, 2) == ["of 2"]


def test_a_reading_waits_for_who_writes_about_its_keys_and_for_nobody_else(there: Place) -> None:
    store, inside, going = there.open(), threading.Event(), threading.Event()

    def slow(writing: Writing) -> int:
        writing.hold([7])
        stamp = writing.stamp
        inside.set()
        assert going.wait(5)
        writing.run(statements.FACT, *fact("slow", 7, stamp))
        return stamp

    writing = store.write(slow)
    assert inside.wait(5)
    assert names_of(store, 8) == []
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.extend(names_of(store, 7)))
    reader.start()
    reader.join(0.2)
    assert reader.is_alive()
    going.set()
    reader.join(5)
    assert writing.result() > 0
    assert found == ["slow"]  # its stamp is before the cut, so it is there


def test_a_writing_that_comes_later_is_not_before_the_cut(there: Place) -> None:
    store, other = there.open(), there.open()
    with store.reading() as reading:
        cut = reading.seen
        stamp = other.write(says("between", 7)).result()
        reading.hold([7])
        assert stamp >= cut
        assert [row for row in reading.rows(statements.ROWS, [7]) if row[5] < cut] == []


def test_after_a_restart_the_next_use_works_and_nothing_is_lost(server: Server, there: Place) -> None:
    store = there.open()
    futures = [store.write(says(f"a{i}", i)) for i in range(40)]
    assert all(one.result() for one in futures)
    with store.reading() as reading:
        assert reading.rows(statements.CLOCK)
    server.stop()
    try:
        for use in (store.clock, store.settled, store.texts, store.machine_clock, store.write(says("never", 1)).result):
            with pytest.raises(StoreAway):
                use()
        with pytest.raises(StoreAway):
            there.open()
    finally:
        server.start()
    assert store.write(says("b", 1)).result() > 0
    assert names_of(store, 1) == ["a1", "b"]
    assert [names_of(store, i) for i in range(2, 40)] == [[f"a{i}"] for i in range(2, 40)]


def test_a_restart_under_writings_tells_of_each_whether_it_is_there(server: Server, there: Place) -> None:
    store = there.open()
    done, away, stop = [], [], threading.Event()

    def writing(who: int) -> None:
        i = 0
        while not stop.is_set():
            i += 1
            try:
                store.write(says(f"{who}-{i}", who)).result(20)
                done.append((who, f"{who}-{i}"))
            except StoreAway:
                away.append(who)
                time.sleep(0.02)

    threads = [threading.Thread(target=writing, args=(who,)) for who in range(1, 5)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(0.3)
        server.stop()
        time.sleep(0.1)
        server.start()
    time.sleep(0.3)
    stop.set()
    for thread in threads:
        thread.join()
    assert away
    held = {who: set(names_of(store, who)) for who in range(1, 5)}
    assert len(done) > 50
    assert all(name in held[who] for who, name in done)


def test_a_connection_that_was_cut_is_replaced(there: Place) -> None:
    store = there.open()
    store.write(says("a", 7)).result()
    with psycopg.connect(there.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert store.write(says("b", 7)).result() > 0
    assert names_of(store, 7) == ["a", "b"]


def test_a_lock_is_waited_for_only_so_long(there: Place) -> None:
    store = there.open()
    hasty = PostgresStore(there.url, writers=1, readers=1, patience=0.2)
    there.opened.append(hasty)
    going, inside = threading.Event(), threading.Event()

    def slow(writing: Writing) -> None:
        writing.hold([7])
        inside.set()
        going.wait(10)

    writing = store.write(slow)
    assert inside.wait(5)
    for use in (hasty.write(says("b", 7)).result, lambda: names_of(hasty, 7)):
        with pytest.raises(StoreAway, match=r"timeout"):
            use()
    going.set()
    writing.result()
    assert hasty.write(says("b", 7)).result() > 0
    assert names_of(hasty, 7) == ["b"]


def test_more_readings_than_connections_wait_only_so_long(there: Place) -> None:
    hasty = PostgresStore(there.url, writers=1, readers=1, patience=0.2)
    there.opened.append(hasty)
    readings = [hasty.reading() for _ in range(5)]
    for reading in readings:
        reading.__enter__()
    with pytest.raises(StoreAway, match=r"no connection .* within 0.2 s"), hasty.reading():
        pass
    for reading in readings:
        reading.__exit__(None, None, None)
    with hasty.reading() as again:
        assert again.now


def test_a_role_that_cannot_see_the_others_transactions_says_so(there: Place) -> None:
    store = there.open()
    store.write(says("a", 7)).result()
    with psycopg.connect(there.url, autocommit=True) as core:
        core.execute("DROP ROLE IF EXISTS guest")
        core.execute("CREATE ROLE guest LOGIN")
        core.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO guest")
        core.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest")
    guest = PostgresStore(there.url.replace("tieline@", "guest@"))
    there.opened.append(guest)
    with pytest.raises(StoreError, match=r"pg_read_all_stats"):
        guest.settled()
    with psycopg.connect(there.url, autocommit=True) as core:
        core.execute("GRANT pg_read_all_stats TO guest")
    assert guest.settled() > 0


def test_nobody_answers_at_a_wrong_address(there: Place) -> None:
    url = there.url.replace("tieline@", "tieline:hidden@").replace("live_", "elsewhere_")
    with pytest.raises(StoreAway) as error:
        PostgresStore(url)
    assert "hidden" not in str(error.value)
