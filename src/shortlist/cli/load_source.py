"""What a load is made of: the project's users and events, a server to ask, and its release."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from shortlist.cli.console import Steps
from shortlist.cli.errors import UsageError
from shortlist.cli.project import Project
from shortlist.cli.served import served_copy

if TYPE_CHECKING:
    from shortlist.load.connection import Address
    from shortlist.load.report import Report
    from shortlist.load.requests import ShortlistRequests, Who
    from shortlist.load.tally import Tally

_RECENT_RECORDS = 50_000


def surface_name(project: Project, surface: str) -> str:
    """Return the surface that is meant; "" is the first declared.

    Raises:
        UsageError: when there is no such surface, or none at all.
    """
    surfaces = project.app.surfaces
    if surface in surfaces:
        return surface
    if surface or not surfaces:
        raise UsageError(
            f"--surface {surface}".strip(),
            expected=f"one of {', '.join(surfaces)}" if surfaces else "a declared surface",
            received="another name" if surfaces else "none",
            mend="shortlist check prints the surfaces.",
        )
    return next(iter(surfaces))


@dataclass(frozen=True)
class Source:
    """For whom is asked, and events as they were logged, ready to be sent again."""

    who: Who
    events: tuple[dict[str, Any], ...]

    @classmethod
    def of(cls, project: Project, users: Path | None, unknown: float, *, needs_events: bool) -> Source:
        """Take users from a file, or users and events from the newest of the log.

        Raises:
            UsageError: when the file cannot be read, or there is nothing to take from.
            LoadError: when nobody is left to ask for.
        """
        from shortlist.load.requests import Who

        recent = _recent_events(project) if needs_events or users is None else []
        if needs_events and not recent:
            raise UsageError(
                "--events",
                expected="events in the log to send again",
                received="none",
                mend="Bring some in: shortlist world, or shortlist import.",
            )
        user = project.app.user_entity.entity_name
        ids = [one[user] for one in recent if user in one] if users is None else _lines(users)
        return cls(Who(ids, unknown), tuple(recent))

    def requests(self, address: Address, surface: str, *, is_preview: bool, seed: int) -> ShortlistRequests:
        """Return what to send to a server."""
        from shortlist.load.requests import ShortlistRequests

        return ShortlistRequests(
            address.host, surface, self.who, self.events, is_preview=is_preview, seed=seed
        )


@contextmanager
def server_at(project: Project, declaration: Path, url: str, steps: Steps) -> Iterator[Address]:
    """Give a server: the one at `url`, or one of our own on a copy of the project's data.

    Raises:
        UsageError: when one is to be started and nothing was trained.
    """
    from shortlist.load.connection import Address

    if url:
        yield Address.of(url.rstrip("/"))
        return
    if project.registry().current() is None:
        raise UsageError(
            "release", expected="one that serves", received="none", mend="Train one: shortlist train."
        )
    steps.begin("start a server on a copy")
    with served_copy(project, declaration) as address:
        yield Address.of(address)


def told_by(steps: Steps) -> Callable[[str, float, float, Tally], None]:
    """Return what shows a run second by second."""
    from shortlist.load.amounts import ms_text

    def told(name: str, elapsed_s: float, total_s: float, second: Tally) -> None:
        steps(name, int(elapsed_s), int(total_s))
        answered, failed = second.answered, second.num_failed
        p99 = f", p99 {ms_text(answered.quantile(0.99))} ms" if answered.num else ""
        steps.note(f"{answered.num:,}/s{p99}" + (f", {failed:,} failed" if failed else ""))

    return told


def with_release(report: Report, project: Project) -> Report:
    """Add what the project knows of the release that served: its catalogue, and how good its indexes are."""
    from shortlist.releases import Registry, ReleaseNotFound
    from shortlist.releases.item_ids import ItemIds

    registry = Registry(project.releases)
    try:
        release = registry.open(report.release)
    except ReleaseNotFound:  # of a server elsewhere
        return report
    catalogue = {"items": len(ItemIds.load(release.folder))}
    catalogue["records learned from"] = release.metadata.as_of_seq
    catalogue["bytes of the release"] = sum(entry.size for entry in release.manifest.files.values())
    index = {
        name.removesuffix("/index.json"): json.loads(release.path(name).read_bytes()).get("report")
        for name in release.manifest.files
        if name.endswith("/index.json")
    }
    return msgspec.structs.replace(report, catalogue=catalogue, index=index)


def _recent_events(project: Project) -> list[dict[str, Any]]:
    """Return the newest events of the log as a client sends them; a time is sent as its microseconds."""
    if not project.has_log:
        return []
    with project.open_log() as log:
        records = log.read(after_seq=max(0, log.last_seq - _RECENT_RECORDS), limit=_RECENT_RECORDS)
    return [{"type": one.kind, **one.fields} for one in records if one.kind in project.app.events]


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"--users {path}", expected="a file with an id a line", received=error, mend="Name another."
        ) from None
