"""`twosome serve`: a prompt and actions in; a choice, or what each action scores, out."""

import html
import json
import math
import time
from collections import Counter, defaultdict
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, Field
from pydantic.json_schema import models_json_schema
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import twosome
from twosome.decision import Decision
from twosome.errors import EnvError, ModelError
from twosome.policy.base import sample
from twosome.policy.lm_policy import LanguageModelPolicy
from twosome.serve.batches import Batches, BusyError, Scores
from twosome.serve.web import Question, RequestError, application, read_question

MOST_ACTIONS = 1024
PROMPT_CHARACTERS = 32_768
PHRASE_CHARACTERS = 2_048
PUBLIC = ("/health", "/docs", "/openapi.json")
"""Paths that take no token: they say nothing of the model."""


class ScoreQuestion(Question):
    """A situation, and the actions that it offers."""

    prompt: Annotated[str, Field(max_length=PROMPT_CHARACTERS, description="ends in an unfinished sentence")]
    actions: Annotated[
        list[Annotated[str, Field(max_length=PHRASE_CHARACTERS)]],
        Field(
            min_length=1,
            max_length=MOST_ACTIONS,
            description='a phrase for each action id, that reads on from the prompt; "" where it is not available',
        ),
    ]


class ActQuestion(ScoreQuestion):
    """A situation to act in."""

    deterministic: Annotated[bool, Field(description="take the most probable action in place of drawing")] = False


class ActAnswer(BaseModel):
    """What the policy does."""

    action: Annotated[int, Field(description="id of the chosen action: its position in the question")]
    phrase: str
    probabilities: Annotated[list[float], Field(description="the policy: one for each action id")]


class ActionScore(BaseModel):
    """What the model makes of an action."""

    phrase: str
    log_prob: Annotated[
        float | None, Field(description="of the phrase after the prompt, in nats; null where it is not available")
    ]
    probability: Annotated[float, Field(description="under the policy")]


class ScoreAnswer(BaseModel):
    """What the model makes of each action."""

    actions: Annotated[list[ActionScore], Field(description="one for each action id")]


class Refusal(BaseModel):
    """Why a request is refused."""

    error: Annotated[str, Field(description="the three in one paragraph")]
    expected: str
    actual: str
    remedy: str


def policy_server(actor: LanguageModelPolicy, *, token: str | None = None, seed: int = 0) -> ASGIApp:
    """The ASGI application that asks a policy.

    Args:
        actor: the policy.
        token: what each request has to bring; None: only this machine's own names are answered.
        seed: of the actions that are drawn.
    """
    server = _Server(actor, seed)
    routes = [
        Route("/act", server.act, methods=["POST"]),
        Route("/score", server.score, methods=["POST"]),
        Route("/health", server.health),
        Route("/metrics", server.metrics),
        Route("/openapi.json", _openapi_document),
        Route("/docs", _docs),
    ]
    app: Starlette = application(routes, token=token, public=PUBLIC)
    app.add_middleware(_Counting, counts=server.counts, paths=frozenset(route.path for route in routes))
    return app


class _Server:
    def __init__(self, actor: LanguageModelPolicy, seed: int) -> None:
        self.batches = Batches(actor)
        self.counts = _Counts()
        self.rng = np.random.default_rng(seed)

    async def act(self, request: Request) -> Response:
        question = await read_question(request, ActQuestion)
        row = (await self._scores(question)).probability
        action = int(np.argmax(row)) if question.deterministic else sample(row, self.rng)
        return _answer(ActAnswer(action=action, phrase=question.actions[action], probabilities=row.tolist()))

    async def score(self, request: Request) -> Response:
        question = await read_question(request, ScoreQuestion)
        scores = await self._scores(question)
        rows = zip(question.actions, scores.log_prob.tolist(), scores.probability.tolist(), strict=True)
        return _answer(
            ScoreAnswer(
                actions=[
                    ActionScore(phrase=phrase, log_prob=logp if math.isfinite(logp) else None, probability=p)
                    for phrase, logp, p in rows
                ]
            )
        )

    async def _scores(self, question: ScoreQuestion) -> Scores:
        try:
            return await self.batches.scores(Decision(question.prompt, tuple(question.actions)))
        except (EnvError, ModelError) as error:
            raise RequestError(
                422, "a prompt and actions that the model can score", str(error), "Ask about others.", error=str(error)
            ) from error
        except BusyError as error:
            most = self.batches.most_waiting
            raise RequestError(
                429, f"at most {most} waiting requests", f"{most} are waiting", "Ask again in a second."
            ) from error

    async def health(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "waiting": self.batches.num_waiting, "version": twosome.__version__})

    async def metrics(self, _: Request) -> Response:
        """In the text format of Prometheus."""
        batches = self.batches
        lines = [
            *_metric("requests_total", "counter", "Answers by path and status.", self.counts.answers),
            *_metric("request_seconds_total", "counter", "Time until they were answered.", self.counts.seconds),
            *_metric("decisions_total", "counter", "Decisions asked about.", {"": batches.num_decisions}),
            *_metric("batches_total", "counter", "Batches in which they were scored.", {"": batches.num_batches}),
            *_metric("waiting", "gauge", "Decisions that wait for a batch.", {"": batches.num_waiting}),
        ]
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")


def _answer(content: BaseModel) -> Response:
    return Response(content.model_dump_json(), media_type="application/json")


class _Counts:
    """How many answers of which kind, and how long they took, by labels of Prometheus."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)


def _metric(name: str, kind: str, about: str, values: Any) -> list[str]:
    head = [f"# HELP twosome_{name} {about}", f"# TYPE twosome_{name} {kind}"]
    return head + [f"twosome_{name}{labels} {round(value, 6)}" for labels, value in sorted(values.items())]


class _Counting:
    """Counts answers; a path that does not exist counts as another, so that nobody can make the table long."""

    def __init__(self, app: ASGIApp, counts: _Counts, paths: frozenset[str]) -> None:
        self.app, self.counts, self.paths = app, counts, paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begin = time.perf_counter()
        path = scope["path"] if scope["path"] in self.paths else "other"

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.counts.answers[f'{{path="{path}",status="{message["status"]}"}}'] += 1
                self.counts.seconds[f'{{path="{path}"}}'] += time.perf_counter() - begin
            await send(message)

        await self.app(scope, receive, counted)


_WHAT: dict[str, tuple[str, str, type[BaseModel] | None, type[BaseModel] | None]] = {
    "/act": ("post", "Choose an action", ActQuestion, ActAnswer),
    "/score": ("post", "Score each action", ScoreQuestion, ScoreAnswer),
    "/health": ("get", "Whether it answers, and how many decisions wait", None, None),
    "/metrics": ("get", "Numbers for Prometheus, as text", None, None),
}
_REFUSALS = {
    "400": "no JSON",
    "401": "no token, or another",
    "413": "the body is too large",
    "415": "the body is not sent as JSON",
    "422": "not what is expected, or not to be scored",
    "429": "too many requests wait",
}
_EXAMPLE = {
    "prompt": "You want to make tea. The kettle is empty. Now you",
    "actions": ["fill the kettle", "go to bed"],
}


def openapi() -> dict[str, Any]:
    """The description of what can be asked, in OpenAPI 3.1."""
    kinds: list[type[BaseModel]] = [ScoreQuestion, ActQuestion, ScoreAnswer, ActAnswer, Refusal]
    _, schemas = models_json_schema(
        [(kind, "validation") for kind in kinds], ref_template="#/components/schemas/{model}"
    )
    paths = {}
    for path, (method, summary, question, answer) in _WHAT.items():
        operation: dict[str, Any] = {"summary": summary, "responses": {"200": {"description": "the answer"}}}
        if question is not None and answer is not None:
            operation["requestBody"] = {"required": True, "content": _content(question, example=_EXAMPLE)}
            operation["responses"]["200"]["content"] = _content(answer)
            operation["responses"] |= {
                status: {"description": why, "content": _content(Refusal)} for status, why in _REFUSALS.items()
            }
        paths[path] = {method: operation}
    return {
        "openapi": "3.1.0",
        "info": {"title": "twosome serve", "version": twosome.__version__},
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _content(kind: type[BaseModel], **more: Any) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{kind.__name__}"}, **more}}


async def _openapi_document(_: Request) -> Response:
    return JSONResponse(openapi())


async def _docs(_: Request) -> Response:
    return HTMLResponse(
        _page(openapi()), headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    )


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>twosome serve</title><style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }}
pre {{ overflow-x: auto; border: 1px solid; border-radius: 6px; padding: .6rem; }} dt {{ font-weight: 600; }}
</style></head><body><main>
<h1>twosome serve</h1>
<p>A prompt and the actions that are valid now in; a choice, or what each action scores, out. This page is made of
<a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
{paths}
<h2>Schemas</h2>
{schemas}
</main></body></html>
"""


def _page(document: dict[str, Any]) -> str:
    """The description as a page without a script."""
    paths = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            paths.append(f"<h2><code>{method.upper()} {path}</code></h2><p>{html.escape(operation['summary'])}.</p>")
            if "requestBody" in operation:
                shown = json.dumps(operation["requestBody"]["content"]["application/json"]["example"])
                curl = f"curl -H 'Content-Type: application/json' -d '{shown}' http://localhost:8000{path}"
                paths.append(_pre(curl, f"Example of {path}"))
                answers = (
                    f"<dt>{status}</dt><dd>{html.escape(answer['description'])}</dd>"
                    for status, answer in operation["responses"].items()
                )
                paths.append(f"<dl>{''.join(answers)}</dl>")
    schemas = (
        f"<h3>{name}</h3>{_pre(json.dumps(schema, indent=2), name)}"
        for name, schema in document["components"]["schemas"].items()
    )
    return _PAGE.format(paths="\n".join(paths), schemas="\n".join(schemas))


def _pre(text: str, label: str) -> str:
    """A stretch that scrolls by itself, with the keyboard, too."""
    return f'<pre tabindex="0" role="region" aria-label="{html.escape(label)}">{html.escape(text)}</pre>'
