"""How many requests are worked on at once, found by trying: as few as answer as many.

A process has one interpreter. Requests that are at work at once mostly wait for each other in it, each time a
stage comes back from its kernel, and all of them are late. Where stages wait for something else, such as
another server, several at once are answered in the time of one. Nobody knows beforehand which it is, so
more, or fewer, are tried now and then while others wait, and the number stays when it pays.
"""

from __future__ import annotations

MOST = 32
GAIN = 1.15
"""So many times as many answers must come when more are at work: each of them comes later for it."""

_WINDOW = 30  # answers to a measurement
_PAUSE, _LONGEST_PAUSE = 8, 512  # measurements between two trials: twice as many after one that failed


class Turns:
    """The number, and the trials. Only answers that leave others waiting are counted: else demand decides."""

    def __init__(self) -> None:
        self._settled = 1
        self._tried = 1
        self._direction = 1
        self._usual_rps = 0.0
        self._pause = self._num_until_trial = _PAUSE
        self._num_answered = 0
        self._since_s = 0.0

    @property
    def num(self) -> int:
        """How many at once, for now."""
        return self._tried

    def answered(self, now_s: float, *, others_wait: bool) -> None:
        """Count an answer.

        Args:
            now_s: when it was given.
            others_wait: whether other requests waited for their turn then.
        """
        if not others_wait:
            if self._tried != self._settled:
                self._tried, self._num_until_trial = self._settled, self._pause
            self._measure_from(now_s)
            return
        self._num_answered += 1
        if self._num_answered < _WINDOW:
            return
        rate_rps = self._num_answered / max(now_s - self._since_s, 1e-9)
        if self._tried == self._settled:
            self._usual_rps = rate_rps
            self._num_until_trial -= 1
        else:
            self._judge(rate_rps)
        if self._num_until_trial == 0:
            self._try_another()
        self._measure_from(now_s)

    def _try_another(self) -> None:
        if self._settled == (MOST if self._direction > 0 else 1):
            self._direction = -self._direction
        step = max(1, self._settled // (2 if self._direction > 0 else 3))
        self._tried = min(self._settled + self._direction * step, MOST)

    def _judge(self, rate_rps: float) -> None:
        """Stay with what was tried if it pays, and go on that way; else look the other way, later."""
        is_more = self._tried > self._settled
        if rate_rps > GAIN * self._usual_rps if is_more else GAIN * rate_rps > self._usual_rps:
            self._settled, self._usual_rps = self._tried, rate_rps
            self._pause, self._num_until_trial = _PAUSE, 0
        else:
            self._tried, self._direction = self._settled, -self._direction
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._num_until_trial = self._pause

    def _measure_from(self, now_s: float) -> None:
        self._num_answered, self._since_s = 0, now_s
