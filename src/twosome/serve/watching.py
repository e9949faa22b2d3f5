"""`twosome watch --serve`: the page of `twosome watch`, with an episode that is played while one watches."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import Field
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from twosome.envs import text
from twosome.errors import ConfigError, TwosomeError, quote
from twosome.evaluate.evaluator import Evaluator, evaluator_for
from twosome.evaluate.live import LiveEpisode
from twosome.evaluate.request import OTHERS
from twosome.evaluate.watch import critic_of, progress_of, says
from twosome.report.checks import checked_metrics
from twosome.report.watch import shown, watch_page
from twosome.runs import RunDirectory
from twosome.scoring.cache import BoundedCache
from twosome.serve.web import Question, RequestError, application, read_question
from twosome.setting_types import Normalization
from twosome.trust import read_settings

_LOADED = 4
"""Players that are kept loaded."""
_WAITING = 16
T = TypeVar("T")


class PlayerQuestion(Question):
    """Who plays, or stands beside."""

    name: Annotated[str, Field(max_length=200)]
    normalization: Normalization | None = None


class RestartQuestion(Question):
    """Another episode."""

    env: Annotated[str, Field(max_length=200)]
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    players: Annotated[list[PlayerQuestion], Field(min_length=2, max_length=2)]


class StepQuestion(Question):
    """What is done next; without an action the policy chooses."""

    episode: Annotated[int, Field(ge=0)]
    action: Annotated[int | None, Field(ge=0, lt=2**31)] = None


def watch_server(
    run: Path,
    *,
    against: str = "untrained",
    checkpoint: str = "last",
    models: Sequence[str] = (),
    seed: int = 1000,
    token: str | None,
) -> ASGIApp:
    """The ASGI application behind the page.

    Args:
        run: the run's directory.
        against: who stands beside at first: one of `OTHERS`, another checkpoint, or one of `models`.
        checkpoint: who plays at first.
        models: other language models that can be chosen.
        seed: of the first episode.
        token: what each request but that for the page has to bring; None: only this machine's own names are answered.

    Raises:
        TwosomeError: the run or one of the two cannot be loaded.
    """
    server = _Server(run, models, seed)
    first = RunDirectory.open(run).checkpoint(checkpoint).name
    server.start(first, against)
    routes = [
        Route("/", server.page),
        Route("/choices", server.choices),
        Route("/progress", server.progress),
        Route("/restart", server.restart, methods=["POST"]),
        Route("/step", server.step, methods=["POST"]),
    ]
    return application(routes, token=token, public=("/",))


class _Server:
    """One episode at a time, in one thread beside the server's: whoever restarts it takes it over."""

    def __init__(self, run: Path, models: Sequence[str], seed: int) -> None:
        self.run, self.models, self.seed = RunDirectory.open(run), tuple(models), seed
        self.config = read_settings(self.run)
        self._loaded: BoundedCache[tuple[str, str | None], Evaluator] = BoundedCache(_LOADED)
        self._thread = ThreadPoolExecutor(1, "playing")
        self._waiting = 0
        self._number = 0
        self._episode: LiveEpisode | None = None

    def start(self, checkpoint: str, against: str) -> None:
        """Load who plays at first."""
        self._first = [{"name": name, "normalization": None} for name in (checkpoint, against)]
        for name in (checkpoint, against):
            self._player(name, None)

    # -- what is asked ---------------------------------------------------------------------------------

    async def page(self, _: Request) -> Response:
        page = watch_page({"live": True}, connects=True)
        return HTMLResponse(page, headers={"X-Frame-Options": "DENY", "Cache-Control": "no-store"})

    async def choices(self, _: Request) -> Response:
        return _answer(
            {
                "run": self.run.path.name,
                "model": self.config.model,
                "env": self._own_envs[0],
                "envs": list(dict.fromkeys([*self._own_envs, *text.env_ids()])),
                "names": self._names(),
                "normalizations": list(get_args(Normalization)),
                "players": self._first,
                "seed": self.seed,
            }
        )

    async def progress(self, _: Request) -> Response:
        return _answer(await self._asked(lambda: progress_of(checked_metrics(self.run))))

    async def restart(self, request: Request) -> Response:
        question = await read_question(request, RestartQuestion)
        return _answer(await self._asked(lambda: self._restart(question)))

    async def step(self, request: Request) -> Response:
        question = await read_question(request, StepQuestion)
        return _answer(await self._asked(lambda: self._step(question)))

    async def _asked(self, what: Callable[[], T]) -> T:
        """What it gives, in the thread of the policy; its errors are the request's."""
        if self._waiting >= _WAITING:
            raise RequestError(429, f"at most {_WAITING} waiting requests", "so many wait", "Ask again in a second.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, what)
        except TwosomeError as error:
            raise RequestError(422, "what can be played", str(error), "Choose otherwise.", error=str(error)) from error
        finally:
            self._waiting -= 1

    # -- in the thread ---------------------------------------------------------------------------------

    def _restart(self, question: RestartQuestion) -> dict[str, Any]:
        if question.env not in (*self._own_envs, *text.env_ids()):
            raise ConfigError(f"the environment is {quote(question.env)}; expected one of /choices. Choose one.")
        kwargs = self.config.env_kwargs if question.env in self._own_envs else {}
        players = [
            self._player(player.name, player.normalization).in_env(question.env, kwargs) for player in question.players
        ]
        name = question.players[0].name
        critic = None
        if name in self.run.checkpoints():
            critic = critic_of(self.config, self.run.checkpoint(name), players[0])
        episode = LiveEpisode(players, critic, question.seed)
        try:
            situation = episode.situation()
        except BaseException:
            episode.close()
            raise
        if self._episode is not None:
            self._episode.close()
        self._episode, self._number = episode, self._number + 1
        return {
            "episode": self._number,
            "players": [
                {"name": _called(player), "says": says(evaluator)}
                for player, evaluator in zip(question.players, players, strict=True)
            ],
            "situation": situation,
        }

    def _step(self, question: StepQuestion) -> dict[str, Any]:
        if self._episode is None or question.episode != self._number:
            raise ConfigError(
                f"episode {question.episode} is not under way; expected {self._number}: it was restarted, perhaps from "
                "another window. Restart it here."
            )
        return self._episode.step(question.action)

    def _player(self, name: str, normalization: Normalization | None) -> Evaluator:
        if name not in self._names():
            raise ConfigError(f"the player is {quote(name)}; expected one of /choices. Choose one.")
        if name in ("random", "planner"):
            normalization = None  # they read nothing
        return self._loaded.get((name, normalization), lambda key: self._load(*key))

    def _load(self, name: str, normalization: str | None) -> Evaluator:
        who: dict[str, Any] = {"checkpoint": name}
        if name == "untrained":
            who = {"model": self.config.model}
        elif name in OTHERS:
            who = {"policy": name}
        elif name in self.models:
            who = {"model": name}
        return evaluator_for(run=self.run.path, normalization=normalization, **who)

    def _names(self) -> list[str]:
        return [*self.run.checkpoints(), *OTHERS, *self.models]

    @property
    def _own_envs(self) -> list[str]:
        return [*map(text.resolve, self.config.envs)]


def _called(player: PlayerQuestion) -> str:
    return player.name if player.normalization is None else f"{player.name}, {player.normalization}"


def _answer(content: dict[str, Any]) -> Response:
    return JSONResponse(shown(content))
