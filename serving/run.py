"""The service as a process."""

import uvicorn

from serving.app import create_app
from serving.errors import StartError
from serving.settings import Settings


def run(settings: Settings) -> None:
    """Serve until told to stop. Raises `StartError` when it cannot start, or cannot read the lake."""
    server: uvicorn.Server

    def stop() -> None:
        server.should_exit = True

    app = create_app(settings, on_failure=stop)
    server = uvicorn.Server(uvicorn.Config(app, host=settings.host, port=settings.port, server_header=False))
    server.run()
    if app.state.failure is not None:
        raise StartError(f"the lake could not be loaded: {app.state.failure}") from app.state.failure
