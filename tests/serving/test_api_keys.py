"""API keys: made once, kept as hashes, each for its scopes and its time, and only the right one opens."""

import base64
import json
import stat
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from serving.access import keys as accepted
from serving.access import stored
from serving.access.keys import ApiKeys, open_keys
from serving.access.refusal import Refusal
from serving.access.stored import KeysError, Scope
from serving.errors import StartError

Headers = dict[bytes, bytes]
BROWSERS = b"Basic " + base64.b64encode(b"anybody:tl_wrong")


def sent(key: str | None) -> Headers:
    return {b"x-api-key": str(key).encode()}


def refused(keys: ApiKeys, headers: Headers) -> Refusal:
    with pytest.raises(Refusal) as error:
        keys.client(headers)
    return error.value


def test_the_first_start_makes_a_key_of_all_scopes_and_the_second_does_not(tmp_path: Path) -> None:
    keys, made = open_keys(tmp_path / "home")
    assert made is not None
    again, none = open_keys(tmp_path / "home")
    assert none is None
    client = again.client(sent(made))
    assert client == keys.client({b"authorization": f"bearer {made}".encode()})
    assert client.scopes == {"decide", "events", "read", "admin"}


def test_the_file_is_the_owners_alone_and_holds_no_key(tmp_path: Path) -> None:
    _, made = open_keys(tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["api_keys.json"], "a draft was left behind"
    other, _ = stored.add(tmp_path, "crm", ["decide"])
    path = tmp_path / "api_keys.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert made is not None
    assert not [key for key in (made, other) if key in path.read_text()]


def test_of_many_first_starts_at_once_exactly_one_makes_the_key(tmp_path: Path) -> None:
    made: list[str | None] = []
    threads = [threading.Thread(target=lambda: made.append(open_keys(tmp_path)[1])) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (text,) = [m for m in made if m]
    assert open_keys(tmp_path)[0].client(sent(text)).name == "first"


ADD_AND_REVOKE = """
import sys; from pathlib import Path; from serving.access import stored
for at in range(8):
    stored.add(Path(sys.argv[1]), f"{sys.argv[2]}-{at}", ["read"])
stored.revoke(Path(sys.argv[1]), f"{sys.argv[2]}-0")
"""


def test_processes_that_change_keys_at_once_lose_nothing(tmp_path: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", ADD_AND_REVOKE, tmp_path, who]) for who in "ab"]
    assert [process.wait(60) for process in processes] == [0, 0]
    keys = stored.read(tmp_path).keys
    assert {key.name for key in keys} == {f"{who}-{at}" for who in "ab" for at in range(1, 8)}
    assert len({key.number for key in keys}) == len(keys), "a number was given twice"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"x-api-key": b""},
        {b"x-api-key": b"tl_wrong"},
        {b"x-api-key": b"\xff\xfe"},
        {b"authorization": b"Bearer"},
        {b"authorization": b"Bearer tl_wrong"},
        {b"authorization": BROWSERS},
    ],
)
def test_without_the_right_key_the_answer_is_401(tmp_path: Path, headers: Headers) -> None:
    error = refused(open_keys(tmp_path)[0], headers)
    assert error.status_code == 401
    assert error.headers == {"WWW-Authenticate": "Bearer"}


@pytest.mark.parametrize("password", ["tl_wrong", "", "no base64"])
def test_a_browser_may_send_the_key_as_password_only_where_that_is_said(tmp_path: Path, password: str) -> None:
    keys, made = open_keys(tmp_path)
    headers = {b"authorization": b"Basic " + base64.b64encode(f"me:{made}".encode())}
    assert keys.client(headers, basic=True).name == "first"
    assert refused(keys, headers).reason == "no_key"
    wrong = password.encode() if " " in password else base64.b64encode(f"me:{password}".encode())
    with pytest.raises(Refusal) as error:
        keys.client({b"authorization": b"Basic " + wrong}, basic=True)
    assert error.value.headers == {"WWW-Authenticate": 'Basic realm="tieline"'}


def test_the_stored_hash_does_not_open(tmp_path: Path) -> None:
    keys, _ = open_keys(tmp_path)
    hashed = json.loads((tmp_path / "api_keys.json").read_text())["keys"][0]["sha256"]
    assert refused(keys, sent(hashed)).reason == "unknown_key"
    assert refused(keys, {b"x-api-key": bytes.fromhex(hashed)}).reason == "unknown_key"


def test_a_key_opens_until_it_expires(tmp_path: Path) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=0.3)
    text, key = stored.add(tmp_path, "short", ["read"], ends)
    keys = ApiKeys(tmp_path)
    assert keys.client(sent(text)).scopes == {"read"}
    assert not key.expired(ends - timedelta(microseconds=1))
    assert key.expired(ends)
    time.sleep(0.3)
    error = refused(keys, sent(text))
    assert (error.status_code, error.reason) == (401, "expired")


def test_a_running_service_sees_what_is_added_and_revoked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepted, "LOOK", 0.0)
    keys, first = open_keys(tmp_path)
    text, _ = stored.add(tmp_path, "crm", ["decide"])
    assert keys.client(sent(text)).scopes == {"decide"}
    stored.revoke(tmp_path, "crm")
    assert refused(keys, sent(text)).reason == "unknown_key"
    stored.revoke(tmp_path, "first")
    assert refused(keys, sent(first)).reason == "unknown_key"
    again, key = stored.add(tmp_path, "crm", ["read"])
    assert key.number == 3, "a number must not come again for somebody else"
    assert keys.client(sent(again)).number == 3


def test_a_file_that_breaks_while_it_runs_leaves_the_keys_and_one_that_is_gone_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepted, "LOOK", 0.0)
    keys, first = open_keys(tmp_path)
    path = tmp_path / "api_keys.json"
    content = path.read_text()
    path.write_text("{")
    assert keys.client(sent(first)).name == "first"
    path.write_text(content)
    path.chmod(0o640)
    assert keys.client(sent(first)).name == "first"
    path.unlink()
    assert refused(keys, sent(first)).reason == "unknown_key"
    _, second = open_keys(tmp_path)
    assert keys.client(sent(second)).name == "first"


def test_a_file_from_before_scopes_is_read_and_kept_when_it_is_changed(tmp_path: Path) -> None:
    entries = [{"name": n, "sha256": stored.digest(f"tl_{n}").hex(), "made": "2025-01-01T00:00:00Z"} for n in "ab"]
    path = tmp_path / "api_keys.json"
    path.write_text(json.dumps({"keys": entries}))
    path.chmod(0o600)

    def scopes() -> list[tuple[Scope, ...]]:
        return [key.scopes for key in stored.read(tmp_path).keys]

    assert scopes() == [("decide", "events", "read", "admin"), ("decide",)]
    stored.add(tmp_path, "new", ["read", "events", "read"])
    assert scopes()[2] == ("events", "read")
    keys = ApiKeys(tmp_path)
    assert [keys.client(sent(f"tl_{n}")).number for n in "ab"] == [1, 2]
    stored.revoke(tmp_path, "a")
    assert scopes()[0] == ("decide",), "to stand first gives no scopes"


def test_what_cannot_be_done_with_keys_says_why_and_changes_nothing(tmp_path: Path) -> None:
    stored.add(tmp_path, "crm", ["read"])
    before = (tmp_path / "api_keys.json").read_bytes()
    for name, scopes, expires, why in (
        ("crm", ["read"], None, "a key 'crm' already"),
        ("", ["read"], None, "a name has"),
        ("line\nbreak", ["read"], None, "a name has"),
        ("new", [], None, "at least one of: decide, events, read, admin"),
        ("new", ["read"], datetime.now(UTC), "past"),
    ):
        with pytest.raises(KeysError, match=why):
            stored.add(tmp_path, name, scopes, expires)
    with pytest.raises(KeysError, match="no key 'other'"):
        stored.revoke(tmp_path, "other")
    assert (tmp_path / "api_keys.json").read_bytes() == before


def test_a_file_others_may_read_stops_the_start(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / "api_keys.json").chmod(0o644)
    with pytest.raises(StartError, match="chmod 600"):
        open_keys(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"keys": []}',
        '{"keys": [1]}',
        '{"keys": [{"name": "x", "sha256": "short", "made": "now"}]}',
        '{"keys": [{"name": "x", "sha256": "' + "0" * 64 + '", "made": "2025-01-01T00:00:00Z"}], "last": 1}',
    ],
)
def test_a_broken_file_stops_the_start_and_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "api_keys.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(StartError, match=r"api_keys\.json"):
        open_keys(tmp_path)
