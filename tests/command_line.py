"""The command line in this process, as a person meets it; the fixture ``command`` is everybody's (`conftest`)."""

import sys
from collections.abc import Callable

import pytest

import tieline

Run = Callable[..., tuple[int, str, str]]
"""``command("train", "churn")``: (exit code, stdout, stderr)."""


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["tieline", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            tieline.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return call
