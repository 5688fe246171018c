"""Is it alive, is it ready, and what does it measure."""

from __future__ import annotations

from shortlist.online.problems import Problem
from shortlist.online.router import Request, Response
from shortlist.online.schema import Alive, Readiness
from shortlist.online.service import Service
from shortlist.online.telemetry import CONTENT_TYPE


class Health:
    """Answers whoever runs the server."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def get_alive(self, request: Request) -> Response:
        """GET /healthz."""
        return Response(Alive("alive"))

    async def get_ready(self, request: Request) -> Response:
        """GET /readyz."""
        reasons = self._service.reasons()
        readiness = Readiness(not reasons, reasons, self._release(), self._last_seq())
        return Response(readiness, 503 if reasons else 200)

    async def get_metrics(self, request: Request) -> Response:
        """GET /metrics."""
        return Response(await self._service.measurements(), content_type=CONTENT_TYPE)

    def _release(self) -> str | None:
        try:
            return self._service.serving.release
        except Problem:
            return None

    def _last_seq(self) -> int | None:
        try:
            return self._service.opened.state.last_seq
        except Problem:
            return None
