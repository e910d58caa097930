"""`tieline keys`, as an operator meets it, and as a running service sees it."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import Run
from running import Service

from serving.access import stored
from serving.access.keys import ApiKeys


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIELINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def last(out: str) -> dict:
    return json.loads(out.splitlines()[-1])


def test_a_key_is_printed_once_and_opens_what_it_was_made_for(home: Path, command: Run) -> None:
    code, out, err = command("keys", "add", "crm", "--scope", "read", "--scope", "decide", "--expires", "90d")
    assert code == 0
    assert re.fullmatch(r"tl_[\w-]{43}\n", out), "stdout is the key alone, to be piped into a secret store"
    assert "decide, read" in err
    client = ApiKeys(home).client({b"x-api-key": out.strip().encode()})
    assert client.scopes == {"decide", "read"}
    assert client.expires == pytest.approx((datetime.now(UTC) + timedelta(days=90)).timestamp(), abs=60)
    listed = command("keys", "list")[1]
    assert out.strip() not in listed
    assert "crm" in listed


def test_the_list_tells_names_scopes_and_expiry_and_never_a_hash(home: Path, command: Run) -> None:
    assert command("keys", "list")[:2] == (
        0,
        "there is no key yet: make one with `tieline keys add`, or by the first `tieline serve`\n",
    )
    key = last(command("keys", "add", "crm", "--scope", "events", "--json")[1])
    assert key["key"].startswith("tl_")
    command("keys", "add", "ops", "--scope", "admin", "--expires", "2999-01-01")
    code, out, _ = command("keys", "list", "--json")
    crm, ops = last(out)["keys"]
    assert code == 0
    assert (crm["number"], crm["name"], crm["scopes"], crm["expires"]) == (1, "crm", ["events"], None)
    assert (ops["number"], ops["expires"], ops["expired"]) == (2, "2999-01-01T00:00:00+00:00", False)
    hashed = [entry["sha256"] for entry in json.loads((home / "api_keys.json").read_text())["keys"]]
    for told in (out, command("keys", "list")[1]):
        assert not [digest for digest in hashed if digest[:12] in told]
        assert key["key"] not in told


def test_a_revoked_key_is_gone_even_if_it_was_the_only_one(home: Path, command: Run) -> None:
    command("keys", "add", "crm", "--scope", "read")
    code, out, _ = command("keys", "revoke", "crm", "--json")
    assert (code, last(out)) == (0, {"name": "crm", "revoked": True})
    assert last(command("keys", "list", "--json")[1]) == {"keys": []}


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("add", "crm"), 2, "--scope"),
        (("add", "crm", "--scope", "everything"), 2, "'everything' is not one of"),
        (("add", "crm", "--scope", "read", "--expires", "soon"), 2, "90d"),
        (("add", "crm", "--scope", "read", "--expires", "0d"), 2, "90d"),
        (("add", "crm", "--scope", "read", "--expires", "2026-01-01T10:00"), 2, "zone"),
        (("add", "crm", "--scope", "read", "--expires", "2020-01-01"), 1, "past"),
        (("add", "-c", "--scope", "read"), 2, "No such option"),
        (("add", "[red]", "--scope", "read"), 1, "a name has 1 to 64"),
        (("add", "old", "--scope", "read"), 1, "a key 'old' already"),
        (("revoke", "crm"), 1, "no key 'crm'"),
    ],
)
def test_what_cannot_be_done_says_why_in_a_line(
    home: Path, command: Run, words: tuple[str, ...], code: int, says: str
) -> None:
    stored.add(home, "old", ["read"])
    ended, out, err = command("keys", *words)
    assert (ended, out) == (code, "")
    assert says in " ".join(err.replace("│", " ").split())
    assert "Traceback" not in err
    assert [key.name for key in stored.read(home).keys] == ["old"]


def test_a_file_that_is_broken_is_said_so_and_left(home: Path, command: Run) -> None:
    home.mkdir()
    path = home / "api_keys.json"
    path.write_text("{")
    path.chmod(0o600)
    for words in (("list",), ("add", "crm", "--scope", "read"), ("revoke", "crm")):
        code, _, err = command("keys", *words)
        assert (code, "api_keys.json" in err) == (1, True)
    assert path.read_text() == "{"


def _within_seconds(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 5
    while not true() and time.monotonic() < deadline:
        time.sleep(0.1)
    return true()


def test_a_running_service_turns_every_route_away_from_a_key_without_its_scope(
    service: Service, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIELINE_HOME", str(service.operator.settings.home))
    key = last(command("keys", "add", "visitor", "--scope", "admin", "--json")[1])["key"]
    try:
        headers = {"X-API-Key": key}
        assert _within_seconds(lambda: service.client.get("/openapi.json", headers=headers).status_code == 200)
        document = service.client.get("/openapi.json", headers=headers).json()
        closed = {p: ways for p, ways in document["paths"].items() if p not in ("/healthz", "/readyz")}
        assert closed
        for path, ways in closed.items():
            for method in ways:
                address = re.sub(r"\{.*?\}", "x", path)
                assert service.client.request(method, address, json={}).status_code == 401, path
                assert service.client.request(method, address, json={}, headers=headers).status_code == 403, path
    finally:
        command("keys", "revoke", "visitor")
    assert _within_seconds(lambda: service.client.get("/openapi.json", headers=headers).status_code == 401)
    assert service.client.get("/openapi.json", headers=service.headers).status_code == 200
