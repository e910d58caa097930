import hmac
import os
import subprocess
import sys

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.identity.keys import KEYS, SECRET_VARIABLE, KeyRing, load_secret, normalise

RING = KeyRing(b"0123456789abcdef")


@pytest.mark.parametrize(
    ("key_type", "spellings"),
    [
        ("email", ["Ann.Lee@Example.COM", " ann.lee@example.com "]),
        ("msisdn", ["+32 471 23-45-67", "0032471234567", "+32 (0)471 23.45.67", "\t+32471234567"]),
        ("imsi", ["206 01 0123456789", "206010123456789"]),
        ("imei", ["35-209900-176148-1", "352099001761481"]),
        ("customer", [" C000123", "C000123 "]),
    ],
)
def test_spellings_of_one_key_are_one_key(key_type, spellings):
    assert len({normalise(key_type, s) for s in spellings}) == 1
    assert len({RING.key_id(key_type, s) for s in spellings}) == 1


def test_a_national_number_needs_its_country():
    assert normalise("msisdn", "0471 23 45 67", country="32") == "+32471234567"
    with pytest.raises(ValueError, match="calling code"):
        normalise("msisdn", "0471 23 45 67")
    assert KeyRing(RING.secret, "32").key_id("msisdn", "0471234567") == RING.key_id("msisdn", "+32471234567")


@pytest.mark.parametrize(
    ("key_type", "value"),
    [
        ("msisdn", "+32471abc567"),
        ("msisdn", "+1234567"),
        ("msisdn", "+1234567890123456"),
        ("msisdn", "+0471234567"),
        ("email", "ann.lee.example.com"),
        ("email", "ann@lee@example.com"),
        ("email", "ann lee@example.com"),
        ("imsi", "20601012345678901"),
        ("imei", "3520990017614"),
        ("customer", "   "),
    ],
)
def test_a_malformed_key_is_refused_without_being_repeated(key_type, value):
    with pytest.raises(ValueError, match=key_type) as refused:
        normalise(key_type, value)
    assert not value.strip() or value.strip() not in str(refused.value)


def test_the_type_and_the_secret_are_part_of_a_key():
    assert RING.key_id("customer", "7") != RING.key_id("account", "7")
    assert RING.key_id("customer", "7") != KeyRing(b"another secret!!").key_id("customer", "7")
    assert "0123456789abcdef" not in repr(RING)


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), min_size=1).filter(str.strip))
def test_a_surrogate_is_a_non_negative_63_bit_integer_from_the_hash(value):
    key_hash, key_id = RING.hash("customer", value), RING.key_id("customer", value)
    assert len(key_hash) == 32
    assert 0 <= key_id < 2**63
    assert key_id == int.from_bytes(key_hash[:8], "big") % 2**63


def one_by_one(key_type, value):
    try:
        return RING.key_id(key_type, value), RING.hash(key_type, value).hex(), None
    except ValueError as error:
        return None, None, str(error)


@given(st.lists(st.tuples(st.sampled_from(["customer", "email"]), st.sampled_from(["a@b", "A@b", "x", " x", ""]))))
def test_many_rows_at_once_are_hashed_as_one_by_one(rows):
    types, values = (pa.array([row[i] for row in rows], pa.string()) for i in (0, 1))
    hashed = RING.hash_rows(types, values)
    columns = (c.to_pylist() for c in (hashed.key_id, hashed.hex, hashed.problem))
    assert list(zip(*columns, strict=True)) == [one_by_one(*row) for row in rows]
    assert hashed.keys.schema == KEYS
    good = {k for k in hashed.key_id.to_pylist() if k is not None}
    assert sorted(hashed.keys["key_id"].to_pylist()) == sorted(good)


def test_the_secret_comes_from_the_environment_as_text_or_hexadecimal(tmp_path, monkeypatch):
    monkeypatch.setenv(SECRET_VARIABLE, "correct horse battery")
    assert load_secret(tmp_path) == b"correct horse battery"
    monkeypatch.setenv(SECRET_VARIABLE, "ab" * 16)
    assert load_secret(tmp_path) == b"\xab" * 16
    monkeypatch.setenv(SECRET_VARIABLE, "short")
    with pytest.raises(ValueError, match=f"{SECRET_VARIABLE}: the secret has 5 bytes and needs at least 16"):
        load_secret(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_secret_file_is_made_once_for_its_owner_only(tmp_path, monkeypatch):
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    home = tmp_path / "new" / "home"
    secret = load_secret(home)
    assert len(secret) == 32
    assert load_secret(home) == secret
    assert (home / "secret.key").stat().st_mode & 0o777 == 0o600
    assert [p.name for p in home.iterdir()] == ["secret.key"]
    (home / "secret.key").write_text("tiny")
    with pytest.raises(ValueError, match=r"secret\.key: the secret has 4 bytes"):
        load_secret(home)


def test_processes_that_start_at_once_share_one_secret(tmp_path):
    code = f"import pathlib, features.identity.keys as k; print(k.load_secret(pathlib.Path({str(tmp_path)!r})).hex())"
    environment = {name: value for name, value in os.environ.items() if name != SECRET_VARIABLE}
    started = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(4)
    ]
    assert len({process.communicate(timeout=60)[0] for process in started}) == 1


@given(secret=st.binary(min_size=16, max_size=150), value=st.text(min_size=1, max_size=80))
def test_a_hash_is_the_hmac_of_type_and_value(secret: bytes, value: str) -> None:
    ring = KeyRing(secret, later=(secret[::-1],))
    try:
        first, second = ring.hashes("cookie", value)
    except ValueError:
        return
    message = f"cookie\0{normalise('cookie', value)}".encode()
    assert first == hmac.digest(secret, message, "sha256")
    assert second == hmac.digest(secret[::-1], first, "sha256")
