"""The tables of the live store.

Rows of `FACTS` and `EVIDENCE` are the truth and only ever added. ``stamp`` is the store's own instant of a row, at
which it can first be seen; rows a lake brought when the store was empty have the stamp 0, as nothing was decided before
them. `PACKED`, `NAMES` and `REACH` are caches: whoever finds one missing or older than `TOUCHED` makes it anew, so any
of them may be emptied at any time. All instants are UTC microseconds.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Sequence,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

VERSION = "1"
"""Of these tables, kept in `META`; a store of another one is refused."""

CACHED = "2"
"""Of the bytes in the caches, kept in `META`; those of another one are emptied."""

METADATA = MetaData()


def _table(name: str, *columns: Column | Index | UniqueConstraint) -> Table:
    return Table(name, METADATA, *columns)


def _id(name: str) -> Column:
    # In SQLite an INTEGER is the row's own number: it is found without an index in between.
    number = BigInteger().with_variant(Integer(), "sqlite")
    return Column(name, number, primary_key=True, autoincrement=False)


def _instant(name: str, null: bool = False) -> Column:
    return Column(name, BigInteger, nullable=null)


META = _table("meta", Column("name", String(40), primary_key=True), Column("value", Text, nullable=False))
"""What holds for the whole store: ``version``, ``workspace``, ``offset`` of its clock, ``synced``, ``people``, ..."""

STAMPS = Sequence("stamps", metadata=METADATA, data_type=BigInteger)
"""The last stamp given, where transactions overlap: a server has it, a file needs none."""

CLOCK = _table(
    "clock", Column("one", SmallInteger, primary_key=True), _instant("stamp"), _instant("evidence"), _instant("feeds")
)
"""One row: the last stamp given (in a file), the last given to evidence, and to a change of what a feed covers."""

KEYS = _table(
    "known_keys",
    _id("key_id"),
    Column("key_type", String(60), nullable=False),
    Column("hash", LargeBinary),
    _instant("stamp"),
)

FACTS = _table(
    "facts",
    Column("source", String(20), primary_key=True),
    Column("id", String(256), primary_key=True),
    Column("known_at", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, nullable=False),
    _instant("at"),
    _instant("stamp"),
    _instant("until", null=True),
    Column("void", Boolean, nullable=False),
    Column("moved", Boolean, primary_key=True),
    Column("again", Boolean, nullable=False),
    Column("loaded", Boolean, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("facts_of_key", "key_id", "stamp"),
    Index("facts_by_stamp", "stamp"),
)
"""``until``: when the lake knows the row was revised. ``moved``: the fact is said of another key from here on.
``again``: its id was there before. ``loaded``: it came from the lake, and need not be brought back to it. ``body``: the
source's own columns as JSON, times as microseconds."""

EVIDENCE = _table(
    "evidence",
    Column("id", String(256), primary_key=True),
    Column("known_at", BigInteger, primary_key=True, autoincrement=False),
    Column("key_id", BigInteger, nullable=False),
    Column("other_id", BigInteger, nullable=False),
    _instant("at"),
    _instant("stamp"),
    _instant("until", null=True),
    Column("void", Boolean, nullable=False),
    Column("loaded", Boolean, nullable=False),
    Column("state", String(20), nullable=False),
    Column("confidence", Float),
    Index("evidence_of_key", "key_id"),
    Index("evidence_of_other", "other_id"),
    Index("evidence_by_stamp", "stamp"),
)

WORDS = _table(
    "words",
    Column("code", Integer, primary_key=True, autoincrement=True),
    Column("source", String(20), nullable=False),
    Column("name", String(40), nullable=False),
    Column("word", String(200), nullable=False),
    UniqueConstraint("source", "name", "word"),
)
"""The number that stands for a word in packed bytes, for good."""

PACKED = _table(
    "packed",
    _id("key_id"),
    Column("layout", String(16), nullable=False),
    _instant("built"),
    Column("body", LargeBinary, nullable=False),
)
NAMES = _table(
    "names", _id("key_id"), _instant("built"), _instant("until"), Column("body", LargeBinary, nullable=False)
)
REACH = _table("reach", _id("key_id"), _instant("built"), Column("body", LargeBinary, nullable=False))
"""Caches: they hold what was known before the cut ``built``; names also only for calls before ``until``."""

CACHES = (PACKED, NAMES, REACH)

TOUCHED = _table("touched", _id("key_id"), _instant("stamp"))
"""When evidence last said something that may change who a key names or what an entity reaches."""

COVERAGE = _table(
    "coverage",
    Column("source", String(20), primary_key=True),
    Column("low", BigInteger, primary_key=True, autoincrement=False),
    _instant("high", null=True),
    _instant("heard", null=True),
)
"""Intervals in which a source has its data. ``high`` null: the feed is live, last ``heard`` from then."""

DECISIONS = _table(
    "decisions",
    Column("id", String(32), primary_key=True),
    _instant("at"),
    _instant("stamp"),
    Column("entity", BigInteger),
    Column("erased", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("decisions_of_entity", "entity", "at"),
    Index("decisions_by_stamp", "stamp"),
)

OUTCOMES = _table(
    "outcomes",
    Column("id", String(64), primary_key=True),
    Column("decision", String(32), nullable=False),
    Column("action", String(60), nullable=False),
    Column("response", String(20), nullable=False),
    _instant("at"),
    _instant("stamp"),
    Index("outcomes_of_decision", "decision"),
    Index("outcomes_by_stamp", "stamp"),
)

TEXTS = _table("texts", Column("digest", String(64), primary_key=True), Column("body", LargeBinary, nullable=False))
"""What decisions refer to and must be found again: rules, coverage; by their `journal.digest`."""
