"""What our decision is measured against: an endpoint of the same framework that answers the same to everybody.

``python -m tests.benchmarks.serving_constant PORT ANSWER.json HOW``. HOW ``model``: the answer is an instance of the
model its route declares, as FastAPI would have it: validated on its way in, through ``response_model`` on its way out.
HOW ``bytes``: the answer is bytes already, the least this framework and server can do. uvicorn is set as our service
sets it; no middleware, no key, nothing logged.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response

from serving.schemas import DecisionAnswer, DecisionRequest
from serving.watch import log

PATH = "/v1/decisions"


def constant(answer: bytes, how: str) -> FastAPI:
    """An app with the one endpoint."""
    app = FastAPI()
    said = DecisionAnswer.model_validate_json(answer)

    if how == "model":

        @app.post(PATH)
        async def decide(asked: DecisionRequest) -> DecisionAnswer:
            return said

    else:

        @app.post(PATH, response_model=DecisionAnswer)
        async def decide_bytes(asked: DecisionRequest) -> Response:
            return Response(answer, media_type="application/json")

    return app


def main() -> None:
    """Serve it."""
    port, answer, how = sys.argv[1:]
    log.configure("json")
    app = constant(Path(answer).read_bytes(), how)
    config = uvicorn.Config(
        app, port=int(port), server_header=False, access_log=False, log_config=log.uvicorn_config(), ws="none"
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
