"""What came back, counted: answers, refusals, failures, and how long each took."""

from __future__ import annotations

import json
from collections import Counter

from shortlist.load.connection import HttpAnswer
from shortlist.load.histogram import Histogram

REFUSED = (429, 503)
TIMEOUT = "timeout"
_WHOLE = b'"degraded":[]'
"""Inside a JSON string the quotes would be escaped, so this can only be the field itself."""


class Tally:
    """The fate of every request of one kind; latencies in ms from when a request was due.

    Attributes:
        answered: latencies of answers with status 200.
        refused: latencies of answers with status 429 or 503.
        statuses: how many answers had each status.
        failures: how many requests got no answer, by the reason.
        degraded: how many answers with status 200 were degraded.
        reasons: of those, how many gave each reason, up to its first colon.
    """

    def __init__(self) -> None:
        self.answered = Histogram()
        self.refused = Histogram()
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self.degraded = 0
        self.reasons: Counter[str] = Counter()

    @property
    def num(self) -> int:
        """How many requests came to an end, whichever."""
        return self.statuses.total() + self.failures.total()

    @property
    def num_failed(self) -> int:
        """How many were not answered with 200."""
        return self.num - self.answered.num

    def answer(self, answer: HttpAnswer, latency_ms: float) -> None:
        """Count an answer."""
        self.statuses[answer.status] += 1
        if answer.status == 200:
            self.answered.add(latency_ms)
            if _WHOLE not in answer.body:
                self._look_into(answer.body)
        elif answer.status in REFUSED:
            self.refused.add(latency_ms)

    def failure(self, reason: str) -> None:
        """Count a request without an answer."""
        self.failures[reason] += 1

    def merge(self, other: Tally) -> None:
        """Count all that another has counted."""
        self.answered.merge(other.answered)
        self.refused.merge(other.refused)
        self.statuses.update(other.statuses)
        self.failures.update(other.failures)
        self.degraded += other.degraded
        self.reasons.update(other.reasons)

    def quantile(self, q: float) -> float:
        """Return the latency that the share `q` of all requests kept; one without a 200 never came."""
        return self.answered.quantile(q, out_of=self.num)

    def share_failed(self) -> float:
        """Return the share of requests without a 200; 0 when there were none."""
        return self.num_failed / self.num if self.num else 0.0

    def share_degraded(self) -> float:
        """Return the share of the answers with 200 that were degraded; 0 when there were none."""
        return self.degraded / self.answered.num if self.answered.num else 0.0

    def _look_into(self, body: bytes) -> None:
        try:
            reasons = json.loads(body).get("degraded")
        except (ValueError, AttributeError):
            reasons = None
        if reasons:
            self.degraded += 1
            self.reasons.update({str(reason).partition(":")[0] for reason in reasons})
