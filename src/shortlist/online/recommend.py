"""POST /v1/surfaces/{name}/recommend: check, let in, send on its way, look after, answer."""

from __future__ import annotations

import asyncio
import time

import msgspec

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.log.errors import EventRejected
from shortlist.log.schema import EventSchema
from shortlist.log.sqlite import now_us
from shortlist.online.admission import Admission, Ticket
from shortlist.online.lag import Lag
from shortlist.online.problems import Fault, Problem, decode, shown
from shortlist.online.router import Request, Response
from shortlist.online.schema import RecommendRequest
from shortlist.online.service import Service
from shortlist.online.slate import Ask, Slates
from shortlist.pipeline.answer import Answer
from shortlist.pipeline.passage import Passage
from shortlist.stages.contract import Query

_LEAST_SHARE = 0.25
_SENDING_SHARE, _SENDING_MS = 0.1, 2.0
"""Of its budget, and at most so long: what an answer may need from the funnel to the client. The lag of the
event loop comes on top of it."""

_decoder = msgspec.json.Decoder(RecommendRequest)


class Recommend:
    """Answers for a user. The event loop checks and watches; the work is done on a funnel's thread."""

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service
        types = {name: field.type for name, field in app.request_context.fields.items()}
        self._context = EventSchema("context", types, frozenset(types))
        self._slates = Slates(app, service.telemetry)
        self._admission, self._lag = Admission(), Lag()
        service.telemetry.watch_admission(
            lambda: self._admission.width_share, lambda: self._admission.num_waiting
        )

    async def post(self, request: Request) -> Response:
        """Answer one request."""
        arrived_s = time.perf_counter() - self._lag.seconds
        surface = self._surface(request.path["name"])
        asked = decode(request.body, _decoder)
        self._check(asked, surface)
        context = self._checked_context(asked)
        opened, serving = self._service.opened, self._service.serving
        ask = Ask(request.id, asked, context, surface, opened, serving)
        ticket = await self._admission.enter(arrived_s, surface.slo.p99_ms)
        try:
            return await self._answer(ask, ticket)
        finally:
            self._admission.leave(ticket)

    def _surface(self, name: str) -> Surface:
        surface = self._app.surfaces.get(name)
        if surface is None:
            known = ", ".join(self._app.surfaces)
            fault = Fault.of(
                "surface", expected=f"one of {known}", received=shown(name), mend="Mend its name."
            )
            raise Problem("not-found", fault)
        return surface

    def _check(self, asked: RecommendRequest, surface: Surface) -> None:
        if asked.k is not None and asked.k > surface.k:
            fault = Fault.of(
                "k", expected=f"at most {surface.k}, the k of surface {surface.surface_name}",
                received=str(asked.k), mend="Ask for fewer, or declare a larger k.",
            )  # fmt: skip
            raise Problem("invalid-request", fault)

    def _checked_context(self, asked: RecommendRequest) -> dict[str, object]:
        try:
            return self._context.check(asked.context)
        except EventRejected as error:
            fault = Fault.of(
                f"context.{error.field}", expected=error.expected, received=error.received, mend=error.mend
            )
            raise Problem("invalid-request", fault) from None

    async def _answer(self, ask: Ask, ticket: Ticket) -> Response:
        state, surface = ask.opened.state, ask.surface
        funnel = ask.serving.funnels[surface.surface_name]
        query = Query(
            user=state.users.vocabulary.code(ask.body.user),
            k=ask.body.k or surface.k,
            time_us=state.moment(now_us()),
            context=ask.context,
            seed=int(ask.id[:15], 16),
            state=state,
        )
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[tuple[Response, float]] = loop.create_future()

        def done(answer: Answer) -> None:
            """Write the answer and its evidence, on whatever thread ended the passage."""
            try:
                response = self._slates.response(ask, answer)
            except BaseException as error:
                loop.call_soon_threadsafe(_settle, answered, None, error)
            else:
                loop.call_soon_threadsafe(_settle, answered, (response, time.perf_counter()), None)

        waited_ms = 1000 * (time.perf_counter() - ticket.arrived_s)
        p99_ms = surface.slo.p99_ms
        sending_ms = min(_SENDING_SHARE * p99_ms, _SENDING_MS)
        sending_ms += 1000 * self._lag.seconds
        budget_ms = max(p99_ms - waited_ms - sending_ms, _LEAST_SHARE * p99_ms)
        width = funnel.narrowed(self._admission.width_share)
        passage = funnel.start(query, done, budget_ms=budget_ms, width=width)
        watch = _Watch(loop, passage)
        try:
            response, ready_s = await answered
        finally:
            watch.end()
        self._lag.was(time.perf_counter() - ready_s)
        return response


class _Watch:
    """Looks after a passage, by the event loop's timer."""

    def __init__(self, loop: asyncio.AbstractEventLoop, passage: Passage) -> None:
        self._loop, self._passage = loop, passage
        self._timer = self._arm()

    def end(self) -> None:
        """Stop looking."""
        self._timer.cancel()

    def _arm(self) -> asyncio.TimerHandle:
        return self._loop.call_later(max(0.0, self._passage.due_s - time.perf_counter()), self._look)

    def _look(self) -> None:
        if self._passage.overdue():
            self._timer = self._arm()


def _settle(
    answered: asyncio.Future[tuple[Response, float]],
    response: tuple[Response, float] | None,
    error: BaseException | None,
) -> None:
    if answered.done():  # the client went away
        return
    if error is not None:
        answered.set_exception(error)
    else:
        assert response is not None
        answered.set_result(response)
