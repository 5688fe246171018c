"""One answer: a query from the request, the surface's funnel, the evidence, the slate."""

from __future__ import annotations

import asyncio
import math
import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
from msgspec import UNSET

from shortlist.declare.app import App
from shortlist.declare.surface import Surface
from shortlist.log.errors import EventRejected
from shortlist.log.schema import EventSchema
from shortlist.log.sqlite import now_us
from shortlist.online.attributes import attributes_of
from shortlist.online.impressions import Impressions
from shortlist.online.loader import Serving
from shortlist.online.problems import Fault, Problem, decode, shown
from shortlist.online.router import Request, Response
from shortlist.online.schema import RecommendAnswer, RecommendRequest, Slot
from shortlist.online.service import Opened, Service
from shortlist.pipeline.answer import Answer
from shortlist.pipeline.funnel import Funnel
from shortlist.stages.contract import Query

NUM_WORKERS = 4
MAX_UNDER_WAY = 128
_LEAST_SHARE = 0.25
_decoder = msgspec.json.Decoder(RecommendRequest)


class Recommend:
    """Answers POST /v1/surfaces/{name}/recommend, off the event loop."""

    def __init__(self, app: App, service: Service) -> None:
        self._app, self._service = app, service
        types = {name: field.type for name, field in app.request_context.fields.items()}
        self._context = EventSchema("context", types, frozenset(types))
        self._workers = ThreadPoolExecutor(NUM_WORKERS, "shortlist-recommend")
        self._num_under_way = 0

    async def post(self, request: Request) -> Response:
        """Answer one request."""
        arrived_s = time.perf_counter()
        surface = self._surface(request.path["name"])
        asked = decode(request.body, _decoder)
        self._check(asked, surface)
        opened, serving = self._service.opened, self._service.serving
        if self._num_under_way >= MAX_UNDER_WAY:
            raise Problem("overloaded", f"{MAX_UNDER_WAY} requests are under way already.", retry_after="1")
        self._num_under_way += 1
        try:
            answer = await asyncio.get_running_loop().run_in_executor(
                self._workers, self._answer, request.id, asked, surface, opened, serving, arrived_s
            )
        finally:
            self._num_under_way -= 1
        return Response(answer)

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

    def _answer(
        self,
        request_id: str,
        asked: RecommendRequest,
        surface: Surface,
        opened: Opened,
        serving: Serving,
        arrived_s: float,
    ) -> RecommendAnswer:
        context = self._checked_context(asked)
        state = opened.state
        budget_ms = surface.slo.p99_ms
        query = Query(
            user=state.users.vocabulary.code(asked.user),
            k=asked.k or surface.k,
            time_us=state.moment(now_us()),
            context=context,
            seed=int(request_id[:15], 16),
            state=state,
        )
        waited_ms = 1000 * (time.perf_counter() - arrived_s)
        funnel = serving.funnels[surface.surface_name]
        answer = funnel.recommend(query, budget_ms=max(budget_ms - waited_ms, _LEAST_SHARE * budget_ms))
        sent = self._sent(request_id, asked, serving, funnel, answer, query)
        if not asked.preview:
            impressions = Impressions(self._app, opened.log, self._service.telemetry)
            impressions.submit(asked.user, context, answer, sent)
        self._observe(surface.surface_name, answer)
        return sent

    def _sent(
        self,
        request_id: str,
        asked: RecommendRequest,
        serving: Serving,
        funnel: Funnel,
        answer: Answer,
        query: Query,
    ) -> RecommendAnswer:
        table = query.state.items
        attributes = [UNSET] * len(answer)
        if asked.attributes:
            with query.state.lock:
                attributes = attributes_of(table, answer.items)  # type: ignore[assignment]
        slots = [
            Slot(item, position, score if math.isfinite(score) else None,
                 dict(zip(answer.labels, parts, strict=True)), propensity, sources, about)
            for item, position, score, parts, propensity, sources, about in zip(
                table.vocabulary.texts(answer.items.tolist()),
                answer.positions.tolist(),
                answer.scores.tolist(),
                answer.parts.tolist(),
                answer.propensities.tolist(),
                answer.sources,
                attributes,
                strict=True,
            )
        ]  # fmt: skip
        return RecommendAnswer(
            request_id,
            funnel.surface.surface_name,
            serving.release,
            answer.degraded,
            slots,
            answer.trace if asked.trace else UNSET,
        )

    def _observe(self, surface: str, answer: Answer) -> None:
        telemetry = self._service.telemetry
        for stage in answer.trace.stages:
            telemetry.stage_ms.labels(surface, stage.stage).observe(stage.elapsed_ms)
        for reason in answer.degraded:
            telemetry.degraded.labels(surface, reason.partition(":")[0]).inc()
