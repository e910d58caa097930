"""Requests made to do harm: each is answered as a problem that repeats nothing and shows nothing, and has no effect."""

import json
import socket
from urllib.parse import quote

import httpx
import pytest
from running import Service

AT = "2025-09-20T10:00:00Z"
KEY = '{"type":"customer","value":"x"}'
FACT = f'"source":"usage","id":"hostile","key":{KEY},"at":"{AT}","metric":"bill"'
DECIDE = f'"keys":[{KEY}],"channel":"web"'
TRICKS = (
    "'; DROP TABLE facts;--",
    '" OR 1=1',
    "../../../etc/passwd",
    "${jndi:ldap://x}",
    "{keys}",
    "{0.__class__}",
    "? %s :name",
    "\\",
    "<script>",
)


def refused(answer: httpx.Response, *statuses: int) -> dict:
    assert answer.status_code in statuses, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    for inside in ("Traceback", 'File "', "sqlite", "pydantic", "/serving/"):
        assert inside not in answer.text
    assert len(answer.text) < 100_000
    return answer.json()


@pytest.mark.parametrize(
    "value",
    ["NaN", "-Infinity", "1e400", "-1e400", "9" * 400, "1e308", "0x10", "01", "+1", '"3"', "true", "[]", "{}", "nul"],
)
def test_what_is_no_number_is_none(told: Service, value: str) -> None:
    before = told.counts()
    refused(told.send("events", f'{{"facts":[{{{FACT},"value":{value}}}]}}'.encode()), 422)
    refused(told.send("decisions", f'{{{DECIDE},"limit":{value}}}'.encode()), 422)
    assert told.counts() == before


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        '"x"',
        '{"facts":[]} x',
        '\ufeff{"facts":[]}',
        f'{{"facts":[{{{FACT.replace("hostile", "&ud800")},"value":1}}]}}'.replace("&", "\\"),
        f'{{"facts":[{{{FACT.replace("bill", "&udfff")},"value":1}}]}}'.replace("&", "\\"),
        f'{{"facts":[{{{FACT.replace("bill", "&u0000")},"value":1}}]}}'.replace("&", "\\"),
        f'{{"facts":[{{{FACT},"value":1,"__class__":"x"}}]}}',
        f'{{"facts":[{{{FACT},"value":1}}],"facts":[]}}',
        '{"facts":' + "[" * 33 + "]" * 33 + "}",
        '{"facts":' + "[" * 100_000,
        '{"facts":[' + '"x",' * 200_000 + '"x"]}',
        json.dumps({"facts": [{f"field {i}": i for i in range(30_000)}]}),
    ],
    ids=lambda body: body[:24],
)
def test_what_is_no_event_has_no_effect(told: Service, body: str) -> None:
    before = told.counts()
    refused(told.send("events", body.encode()), 400, 422)
    assert told.counts() == before


def test_bytes_that_are_not_utf8_and_bodies_too_large_are_refused(told: Service) -> None:
    before = told.counts()
    refused(told.send("events", b'{"facts":["\xff"]}'), 422)
    refused(told.send("events", json.dumps({"facts": []}).encode("utf-16")), 400)
    refused(told.send("events", b"x" * 1_100_000), 413)
    a_million = json.dumps({"keys": [json.loads(KEY)] * 1_000_000, "channel": "web"}).encode()
    for route in ("decisions", "scores", "outcomes"):
        refused(told.send(route, a_million), 413)
    assert told.counts() == before


@pytest.mark.parametrize("trick", TRICKS)
def test_a_trick_in_a_string_is_a_string(told: Service, trick: str) -> None:
    before = told.counts()
    key = {"type": "customer", "value": trick}
    fact = {"source": "journey", "id": trick, "key": key, "at": AT, "phase": "ask", "channel": "web", "topic": trick}
    assert told.say(fact).json()["became"] == ["new"]
    assert told.say(fact).json()["became"] == ["known"]
    after = told.counts()
    assert (after["facts"], after["known_keys"]) == (before["facts"] + 1, before["known_keys"] + 1)
    body = told.ask(("customer", trick)).json()
    assert body["match"]["state"] == "identified"
    assert told.replay(body["decision_id"]).json()["identical"] is True
    refused(told.tell(trick, trick, "shown"), 422)
    refused(told.tell(body["decision_id"], trick, "shown"), 422)
    refused(told.ask((trick, "x")), 422)
    refused(told.ask(("customer", "x"), channel=trick), 422)
    refused(told.replay(quote(trick, safe="")), 404, 422)


@pytest.mark.parametrize("segment", ["%00", "%ff", "%ed%a0%80", "..%2f..%2fetc", "%0d%0aX:1", "%2e%2e", "a" * 5_000])
def test_a_trick_in_the_address_finds_nothing(told: Service, segment: str) -> None:
    for route in ("decisions", "customers", "accounts"):
        answer = told.client.get(f"/v1/{route}/{segment}", headers=told.headers)
        assert segment not in refused(answer, 404, 422)["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "GET"])
def test_other_methods_are_refused(told: Service, method: str) -> None:
    refused(told.client.request(method, "/v1/decisions", headers=told.headers), 405)


@pytest.mark.parametrize("key_type", ["email", "msisdn", "cookie", "customer", "line", "device", "site", "loyalty"])
@pytest.mark.parametrize(
    "value", ["\u0130@x.com", "a@" + "x" * 300, "+" + "9" * 500, "\u200b", "\u202eabc", "a@b@c", "a@xn--", "\x1b[2J"]
)
def test_a_strange_key_is_taken_or_named_as_wrong(told: Service, key_type: str, value: str) -> None:
    answer = told.ask((key_type, value))
    assert answer.status_code in (200, 422)
    if answer.status_code == 422:
        assert refused(answer, 422)["errors"][0]["field"] == "body.keys.0.value"
    assert value not in answer.text


def raw(told: Service, request: bytes) -> bytes:
    """What the server says to bytes, until it closes or is silent."""
    with socket.create_connection((told.client.base_url.host, told.client.base_url.port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        found = b""
        while part := connection.recv(65_536):
            found += part
        return found


def test_a_request_hidden_in_another_is_not_answered(told: Service) -> None:
    key = told.headers["X-API-Key"].encode()
    hidden = b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\r\nContent-Length: 0\r\n\r\n"
    head = b"POST /v1/decisions HTTP/1.1\r\nHost: x\r\nX-API-Key: " + key + b"\r\n"
    before = told.counts()
    for lengths in (
        b"Content-Length: 4\r\nContent-Length: 90\r\n\r\n",
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: +4\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n",
    ):
        said = raw(told, head + lengths + hidden)
        statuses = [line.split()[1] for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
        assert not {s for s in statuses if s.startswith((b"2", b"5"))}, (lengths, said)
        assert b"Traceback" not in said
    assert told.counts() == before
    assert told.client.get("/healthz").status_code == 200
