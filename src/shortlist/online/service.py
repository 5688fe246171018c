"""What every route shares: the log, the state folded from it, the release that serves."""

from __future__ import annotations

import gc
import importlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from shortlist.background import in_background
from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.features.rehearsal import rehearse
from shortlist.online.loader import Loader, Serving
from shortlist.online.opening import Embedded, Opened, Opening, Told
from shortlist.online.problems import Problem
from shortlist.online.telemetry import Telemetry
from shortlist.releases.registry import Registry

POLL_S = 0.5
_TIDY_S = 60.0
_GROWN, _AGED_S = 0.125, 3600.0
"""What can be let go of is looked for when the state has grown by this share, or after an hour: it takes a
second or two."""

_GIVE_UP_S = 10.0

_logger = logging.getLogger(__name__)


class Cancelled(Exception):
    """Opening was given up, because the server stops."""


class Service:
    """One product in one data folder: `log/`, `state/` and `releases/`.

    Args:
        app: the declaration.
        data: the folder; made when missing.
        opening: where the log and the state come from; by default this process writes the log itself.
        gather: returns the measurements of all processes that serve; by default this is the only one.
    """

    def __init__(
        self,
        app: App,
        data: Path,
        opening: Opening | None = None,
        gather: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self.app = app
        self.telemetry = Telemetry()
        self.measurements = gather or self.telemetry.text
        self._data = data
        self._opened: Opened | None = None
        self._loader: Loader | None = None
        self._waits_for = "its kernels, which a machine compiles once"
        self._broken: str | None = None
        self._progress: Told | None = None
        self._opening = opening or Embedded(app, data, self._break)
        self._stop = threading.Event()
        self._released_s = 0.0
        self._watcher = threading.Thread(target=self._watch, name="shortlist-releases", daemon=True)

    @property
    def opened(self) -> Opened:
        """The log and the state.

        Raises:
            Problem: not-ready, while they are being opened, or when they could not be.
        """
        if self._opened is None or self._broken is not None:
            reason = self._broken or f"The server waits for {self._waits_for}."
            raise Problem("not-ready", reason, retry_after="1")
        return self._opened

    @property
    def serving(self) -> Serving:
        """The release that serves; a request reads this once, so that one release makes its answer.

        Raises:
            Problem: not-ready before the log and the state are there, no-release when none was trained.
        """
        _ = self.opened
        serving = self._loader.serving if self._loader is not None else None
        if serving is None:
            raise Problem("no-release", "No release serves yet. Train one: shortlist train.", retry_after="5")
        return serving

    def reasons(self) -> list[str]:
        """Say what keeps requests from being answered; nothing when all is well."""
        try:
            _ = self.serving
        except Problem as problem:
            return [problem.fault.detail]
        return []

    def open(self, progress: Told | None = None) -> None:
        """Open the log, bring the state up to date, load the current release, and keep watching for others.

        Args:
            progress: called with (records folded, records in all).

        Raises:
            LogError: when the log cannot be opened.
            Cancelled: after `cancel`.
        """
        started_s = time.perf_counter()
        self._progress = progress
        self._data.mkdir(parents=True, exist_ok=True)
        rehearse(self.app, self._data)
        if self._stop.is_set():
            raise Cancelled
        self._waits_for = "the log to open"
        opened = self._opening.open(self._told)
        state = opened.state
        self._waits_for = "the release to load"
        try:
            loader = Loader(self.app, Registry(self._data / "releases"), state, self.telemetry)
            loader.poll()
        except BaseException:
            self._opening.close()
            raise
        self.telemetry.watch_state(lambda: state.last_seq, lambda: state.num_bytes)
        # The log seals with it: loaded in the middle of serving, it would hold Python's lock for long.
        importlib.import_module("duckdb")
        # What is loaded stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        self._loader, self._opened = loader, opened
        self._watcher.start()
        _logger.info("ready in %.1f s: %d records", time.perf_counter() - started_s, state.last_seq)

    def cancel(self) -> None:
        """Make an `open` that is under way give up."""
        self._stop.set()

    def close(self) -> None:
        """Stop watching, snapshot the state, close the log."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join(_GIVE_UP_S)
        if self._opened is not None:
            self._opening.close()
        gc.unfreeze()  # left frozen, what C++ libraries hold is reported as leaked at the exit

    def _told(self, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Cancelled
        self._waits_for = f"the state: {done:,} of {total:,} records are folded"
        if self._progress is not None:
            self._progress(done, total)

    def _break(self) -> None:
        # A state that missed a record would answer wrongly from now on: better not at all.
        self._broken = "The online state is broken; start the server again, and read its log."

    def _watch(self) -> None:
        assert self._loader is not None
        assert self._opened is not None
        tidied_s = self._released_s = time.monotonic()
        while not self._stop.wait(POLL_S):
            try:
                with in_background():
                    self._loader.poll()
                    if time.monotonic() - tidied_s > _TIDY_S:
                        tidied_s = time.monotonic()
                        self._tidy(self._opened.state)
            except Exception:  # whatever it was: a server that follows no release any more is worse
                _logger.exception("looking after the releases and the state failed; it goes on")

    def _tidy(self, state: OnlineState) -> None:
        if state.growth > _GROWN or time.monotonic() - self._released_s > _AGED_S:
            self._released_s = time.monotonic()
            state.release()
        self._opening.tidy()
