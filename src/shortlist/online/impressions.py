"""The evidence: one logged impression for every served slot, a slate at a time."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import Future

import numpy as np

from shortlist.declare.app import App
from shortlist.declare.events import IMPRESSION
from shortlist.log.blocks import Block
from shortlist.log.errors import LogError
from shortlist.log.protocol import EventLog
from shortlist.log.record import Appended
from shortlist.online.schema import RecommendAnswer
from shortlist.online.telemetry import Telemetry
from shortlist.pipeline.answer import Answer

_logger = logging.getLogger(__name__)


class Impressions:
    """Logs what was shown, with everything needed to compute it again: nobody waits for it.

    A log that cannot keep up costs evidence, not answers: the impressions of a slate that it refuses are
    counted as lost.

    Args:
        app: the declaration.
        telemetry: counts what was kept and what was not.
    """

    def __init__(self, app: App, telemetry: Telemetry) -> None:
        self._user, self._item = app.user_entity.entity_name, app.item_entity.entity_name
        self._kept = {name: telemetry.impressions.labels(name, "logged") for name in app.surfaces}
        self._lost = {name: telemetry.impressions.labels(name, "lost") for name in app.surfaces}
        self._is_losing = False

    def submit(
        self, log: EventLog, user: str, context: Mapping[str, object], answer: Answer, sent: RecommendAnswer
    ) -> None:
        """Queue an impression for each slot of an answer, before the answer is sent.

        The log of one process keeps the order of the queue, so whatever the user does with the answer comes
        after it: a label finds its impression. Of several processes each has its own queue to the log: what
        comes in through another may, under load, come some milliseconds before. The log checks and encodes
        in its own thread, where it reads the answer's arrays.

        Args:
            log: where they go.
            user: the user's id.
            context: the request's context, checked.
            answer: with its features, which the sent form leaves out.
            sent: what the client gets.
        """
        num_slots = len(sent.items)
        if not num_slots:
            return
        block = Block(
            IMPRESSION,
            num_slots,
            {
                **context,
                self._user: user,
                self._item: [slot.item for slot in sent.items],
                "request_id": sent.request_id,
                "surface": sent.surface,
                "release": sent.release,
                "position": answer.positions,
                "propensity": answer.propensities,
                "score": np.where(np.isfinite(answer.scores), answer.scores, np.nan),
                "score_parts": answer.parts,
                "source": list(map("+".join, answer.sources)),
                "features": answer.features,
                "request_time_us": answer.time_us,
                "as_of_seq": answer.as_of_seq,
            },
        )

        def done(future: Future[list[Appended]]) -> None:
            error = future.exception()
            if error is None:
                self._kept[sent.surface].inc(num_slots)
                self._is_losing = False
            else:
                self._lose(sent, error)

        try:
            log.submit_block(block).add_done_callback(done)
        except LogError as error:
            self._lose(sent, error)

    def _lose(self, sent: RecommendAnswer, error: BaseException) -> None:
        self._lost[sent.surface].inc(len(sent.items))
        if not self._is_losing:  # one line for all of a bad time: hundreds a second would make it worse
            self._is_losing = True
            _logger.error("impressions are lost, from request %s on: %s", sent.request_id, error)
