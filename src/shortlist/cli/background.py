"""A project's server in a thread of this process, for a verb that also drives it."""

from __future__ import annotations

import threading

from shortlist.cli.errors import DemoFailed
from shortlist.cli.project import Project
from shortlist.cli.serve import make_server

_READY_WITHIN_S = 120.0


class BackgroundServer:
    """Serves from its making until `stop`; `url` is where.

    Raises:
        UsageError: when the port is taken.
        DemoFailed: when it is not ready in two minutes.
    """

    def __init__(self, project: Project, port: int) -> None:
        is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._server = make_server(project, "127.0.0.1", port, lambda url: is_ready.set(), is_live=True)
        self._thread = threading.Thread(target=self._run, name="shortlist-serve")
        self._thread.start()
        self.url = self._server.url
        try:
            for _ in range(int(_READY_WITHIN_S / 0.1)):
                if is_ready.wait(0.1) or not self.is_running:
                    break
            reasons = self._server.reasons() if self.is_running else [str(self._failure)]
        except BaseException:
            self.stop()
            raise
        if reasons:
            self.stop()
            raise DemoFailed(f"the server is not ready: {' '.join(reasons)}")

    @property
    def is_running(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def check(self) -> None:
        """Raise what ended the server, if anything did.

        Raises:
            DemoFailed: with the failure.
        """
        if self._failure is not None:
            raise DemoFailed(f"the server ended: {self._failure}") from self._failure

    def stop(self) -> None:
        """Finish what is under way, and end."""
        self._server.stop()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._server.run()
        except BaseException as error:
            self._failure = error
