"""What the service logs: one line per event on stderr, and a traceback where something broke."""

import sys
from typing import Any

import structlog


def configure() -> None:
    """Log to stderr, unless the process this runs in has configured structlog before.

    Tracebacks are plain ones: structlog's own show every local variable, among them passwords and whole tables.
    """
    if structlog.is_configured():
        return
    renderer = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=_to_stderr,
    )


def _to_stderr(*names: Any) -> structlog.PrintLogger:
    """A logger to what stderr is now: whoever captures it later gets the lines too."""
    return structlog.PrintLogger(sys.stderr)
