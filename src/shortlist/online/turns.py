"""How many requests are worked on at once, found by trying: as few as answer as many.

A process has one interpreter. Requests that are at work at once mostly wait for each other in it, each time a
stage comes back from its kernel, and all of them are late. Where kernels are long, or stages wait for another
server, several at once are answered in little more than the time of one. Which it is shows in how many are
answered in the time in which so many are at work, whatever the load. So more, or fewer, are let in for a
trial now and then, and the number stays when it pays.
"""

from __future__ import annotations

from dataclasses import dataclass

MOST = 32
GAIN = 1.3
"""So many times as many answers must come when more are at work: each of them comes later for it."""

_WINDOW = 50  # answers to a measurement
_LONG = 4 * _WINDOW  # answers to a trial; of few requests few come together: it takes more, but costs less
_PAUSE, _LONGEST_PAUSE = 20, 640  # times the answers that a trial took; twice as many after one that failed


@dataclass
class _Pace:
    """Answers that were given in so many seconds of some number of requests at work."""

    num_answers: float = 0.0
    seconds: float = 0.0

    @property
    def rate_rps(self) -> float:
        return self.num_answers / max(self.seconds, 1e-9)


class Turns:
    """The number, and the trials; told of every request."""

    def __init__(self) -> None:
        self._settled = self._allowed = 1
        self._direction, self._pause = 1, _PAUSE
        self._usual, self._tried = _Pace(), _Pace()
        self._num_inside, self._since_s = 0, 0.0
        self._num_answered, self._trial_began_at, self._next_trial_at = 0, 0, _WINDOW

    @property
    def num(self) -> int:
        """How many at once, for now."""
        return self._allowed

    def entered(self, now_s: float) -> None:
        """Note that a request is let in."""
        self._pass(now_s)
        self._num_inside += 1

    def left(self, now_s: float) -> None:
        """Note that a request is answered."""
        pace = self._pass(now_s)
        if pace is not None:
            pace.num_answers += 1
        self._num_inside -= 1
        self._num_answered += 1
        if self._allowed != self._settled:
            if self._tried.num_answers >= _WINDOW:
                self._judge()
        elif self._num_answered >= self._next_trial_at and self._usual.num_answers >= _WINDOW:
            self._try_another()

    def _pass(self, now_s: float) -> _Pace | None:
        """Count the time since the last change to what is measured in it; return that."""
        elapsed_s, self._since_s = now_s - self._since_s, now_s
        pace = None
        if self._num_inside == self._settled:
            pace = self._usual
            if pace.num_answers >= 2 * _WINDOW:  # what is long past counts less and less
                pace.num_answers, pace.seconds = pace.num_answers / 2, pace.seconds / 2
        elif self._settled < self._num_inside <= self._allowed or self._num_inside == self._allowed:
            pace = self._tried
        if pace is not None:
            pace.seconds += elapsed_s
        return pace

    def _try_another(self) -> None:
        if self._settled == (MOST if self._direction > 0 else 1):
            self._direction = -self._direction
        step = (self._settled + 1) // 2 if self._direction > 0 else max(1, self._settled // 3)
        self._allowed = min(self._settled + self._direction * step, MOST)
        self._tried, self._trial_began_at = _Pace(), self._num_answered

    def _judge(self) -> None:
        """Stay with what was tried if it pays, and go on that way; else look the other way, later."""
        usual_rps, tried_rps = self._usual.rate_rps, self._tried.rate_rps
        is_more = self._allowed > self._settled
        if tried_rps > GAIN * usual_rps if is_more else GAIN * tried_rps > usual_rps:
            self._settled, self._usual = self._allowed, _Pace()
            self._pause, self._next_trial_at = _PAUSE, self._num_answered
        else:
            trial_took = min(self._num_answered - self._trial_began_at, _LONG)
            self._next_trial_at = self._num_answered + self._pause * trial_took
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)
            self._allowed, self._direction = self._settled, -self._direction
