"""The evidence: one logged impression for every served slot."""

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

    Args:
        app: the declaration.
        log: where they go.
        telemetry: counts what was kept and what was not.
    """

    def __init__(self, app: App, log: EventLog, telemetry: Telemetry) -> None:
        self._user, self._item = app.user_entity.entity_name, app.item_entity.entity_name
        self._log, self._telemetry = log, telemetry

    def submit(self, user: str, context: Mapping[str, object], answer: Answer, sent: RecommendAnswer) -> None:
        """Queue an impression for each slot of an answer, before the answer is sent.

        The log keeps the order of the queue, so whatever the user does with the answer comes after it:
        a label finds its impression.

        Args:
            user: the user's id.
            context: the request's context, checked.
            answer: with its features, which the sent form leaves out.
            sent: what the client gets.
        """
        if not sent.items:
            return
        num_slots = len(sent.items)
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
                "source": ["+".join(slot.sources) for slot in sent.items],
                "features": answer.features,
                "request_time_us": answer.time_us,
                "as_of_seq": answer.as_of_seq,
            },
        )
        kept = self._telemetry.impressions.labels(sent.surface, "logged")
        lost = self._telemetry.impressions.labels(sent.surface, "lost")

        def done(future: Future[list[Appended]]) -> None:
            error = future.exception()
            if error is None:
                kept.inc(num_slots)
            else:
                lost.inc(num_slots)
                _logger.error("impressions of request %s are lost: %s", sent.request_id, error)

        try:
            self._log.submit_block(block).add_done_callback(done)
        except LogError as error:
            lost.inc(num_slots)
            _logger.error("impressions of request %s are lost: %s", sent.request_id, error)
