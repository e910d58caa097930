"""The statements a decision and its journal wait for, as text for the driver: building them anew each time costs more
than running them. ``?`` stands for one value, ``{keys}`` for the elements of a list of key ids.
"""

from dataclasses import dataclass

CLOCK = "SELECT stamp, evidence, feeds FROM clock"
TICK = "UPDATE clock SET stamp = ?"
EVIDENCE_TICK = "UPDATE clock SET evidence = ?"
FEEDS_TICK = "UPDATE clock SET feeds = ?"

TYPES = "SELECT key_id, key_type FROM known_keys WHERE key_id IN ({keys})"
NAMES = """
    SELECT n.key_id, n.built, n.until, n.body FROM names n
    WHERE n.key_id IN ({keys})
    AND NOT EXISTS (SELECT 1 FROM touched t WHERE t.key_id IN (n.key_id, 0) AND t.stamp >= n.built)"""
REACH = """
    SELECT r.key_id, r.body FROM reach r
    WHERE r.key_id IN ({keys})
    AND NOT EXISTS (SELECT 1 FROM touched t WHERE t.key_id IN (r.key_id, 0) AND t.stamp >= r.built)"""
"""Touching 0, `store.EVERYTHING`, touches every key."""
KEEP_NAMES = """
    INSERT INTO names (key_id, built, until, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (key_id) DO UPDATE SET built = excluded.built, until = excluded.until, body = excluded.body
    WHERE names.built <= excluded.built"""
KEEP_REACH = """
    INSERT INTO reach (key_id, built, body) VALUES (?, ?, ?)
    ON CONFLICT (key_id) DO UPDATE SET built = excluded.built, body = excluded.body
    WHERE reach.built <= excluded.built"""
TOUCH = """
    INSERT INTO touched (key_id, stamp) VALUES (?, ?)
    ON CONFLICT (key_id) DO UPDATE SET stamp = excluded.stamp WHERE touched.stamp < excluded.stamp"""

HISTORY = """
    SELECT k.key_id, f.source, f.id, f.at, f.known_at, f.stamp, f.until, f.void, f.moved, f.again, f.rank, f.body,
           p.body
    FROM ({asked}) k LEFT JOIN packed p ON p.key_id = k.key_id AND p.layout = ?
    LEFT JOIN facts f ON f.key_id = k.key_id AND f.stamp >= coalesce(p.built, 0)"""
"""What is packed of some keys, beside each row of theirs that is not, or beside nothing: in one statement, so that both
are of one instant."""
ROWS = """
    SELECT f.key_id, f.source, f.id, f.at, f.known_at, f.stamp, f.until, f.void, f.moved, f.again, f.rank, f.body
    FROM facts f WHERE f.key_id IN ({keys})"""
KEEP_PACKED = """
    INSERT INTO packed (key_id, layout, built, body) VALUES (?, ?, ?, ?)
    ON CONFLICT (key_id) DO UPDATE SET layout = excluded.layout, built = excluded.built, body = excluded.body
    WHERE packed.built <= excluded.built OR packed.layout <> excluded.layout"""

SAID = """
    SELECT id, known_at, key_id, other_id, at, stamp, until, void, state, confidence
    FROM evidence WHERE id IN (SELECT id FROM evidence WHERE key_id IN ({keys}))"""
SAID_OF = """
    SELECT id, known_at, key_id, other_id, at, stamp, until, void, state, confidence
    FROM evidence WHERE id IN (SELECT id FROM evidence WHERE other_id IN ({keys}))"""
"""With all that was said by the same ids: a revision may be about other keys."""

JOURNAL = """
    INSERT INTO decisions (id, at, stamp, entity, erased, body) VALUES (?, ?, ?, ?, {false}, ?)
    ON CONFLICT (id) DO NOTHING"""
DELIVERED = """
    INSERT INTO decisions (id, at, stamp, entity, erased, body) VALUES (?, ?, ?, ?, {false}, ?)
    ON CONFLICT (id) DO UPDATE SET body = excluded.body WHERE decisions.erased = {false}"""
OUTCOME = """
    INSERT INTO outcomes (id, decision, action, response, at, stamp) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO NOTHING"""
DECISION = "SELECT id, at, stamp, entity, erased, body FROM decisions WHERE id = ?"
NEW_TEXT = "INSERT INTO texts (digest, body) VALUES (?, ?) ON CONFLICT (digest) DO NOTHING"
TEXT = "SELECT body FROM texts WHERE digest = ?"
NEW_KEY = "INSERT INTO known_keys (key_id, key_type, hash, stamp) VALUES (?, ?, ?, ?) ON CONFLICT (key_id) DO NOTHING"
WORD = "SELECT code FROM words WHERE source = ? AND name = ? AND word = ?"
NEW_WORD = "INSERT INTO words (source, name, word) VALUES (?, ?, ?) ON CONFLICT (source, name, word) DO NOTHING"
FACT = """
    INSERT INTO facts (source, id, known_at, key_id, at, stamp, until, void, moved, again, loaded, rank, body)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
EVIDENCE = """
    INSERT INTO evidence (id, known_at, key_id, other_id, at, stamp, until, void, loaded, state, confidence)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
LAST_OF_FACT = """
    SELECT key_id, at, void, moved, until, body FROM facts WHERE source = ? AND id = ?
    ORDER BY known_at DESC, moved LIMIT 1"""
LAST_OF_EVIDENCE = """
    SELECT key_id, other_id, at, void, until, state, confidence FROM evidence WHERE id = ?
    ORDER BY known_at DESC LIMIT 1"""


@dataclass(frozen=True)
class Speech:
    """How a driver wants statements: its mark for a value, its way to read a list, and what is false."""

    mark: str
    keys: str
    asked: str
    false: str

    def said(self, statement: str) -> str:
        """A statement of this module, as the driver wants it."""
        text = statement.replace("?", self.mark) if self.mark != "?" else statement
        return text.format(keys=self.keys, asked=self.asked, false=self.false)


SQLITE = Speech("?", "SELECT value FROM json_each(?)", "SELECT value AS key_id FROM json_each(?)", "0")
POSTGRES = Speech("%s", "SELECT unnest(%s::bigint[])", "SELECT unnest(%s::bigint[]) AS key_id", "false")
