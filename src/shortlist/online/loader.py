"""The release that serves, and the swap to another while requests are answered."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shortlist.background import give_way
from shortlist.declare.app import App
from shortlist.features.online import OnlineState
from shortlist.log.sqlite import now_us
from shortlist.models.co_visitation import FittedCoVisitation
from shortlist.online.similar import SimilarItems
from shortlist.online.telemetry import Telemetry
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.pipeline.funnel import Funnel
from shortlist.pipeline.numbering import item_codes
from shortlist.releases.artifacts import load_contents
from shortlist.releases.errors import ReleaseError
from shortlist.releases.item_ids import ItemIds
from shortlist.releases.manifest import ReleaseId
from shortlist.releases.registry import Registry
from shortlist.stages.contract import Items, Query

_PATIENCE_MS = 60_000.0
_WARM_USERS = 3

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Serving:
    """A loaded release: a funnel for each surface; the similar items when a model of it knows them.

    Args:
        release: its name.
        funnels: by surface.
        similar: None when no model knows any.
        item_ids: its items.
        codes: int64 [I], theirs in the state, see `item_codes`.
    """

    release: ReleaseId
    funnels: Mapping[str, Funnel]
    similar: SimilarItems | None
    item_ids: ItemIds
    codes: Items


class Loader:
    """Follows a registry's pointer; one thread calls `poll`, any thread reads `serving`.

    A new release is checked, loaded, bound and warmed beside the old one, then takes its place by one
    assignment. A release that cannot be served is refused until the pointer moves, and the old one stays;
    one that could not be read, which may pass, is tried again with every poll.

    Args:
        app: the declaration that is served.
        registry: where the releases are.
        state: caught up with the log.
        telemetry: told of loads and refusals.
    """

    def __init__(self, app: App, registry: Registry, state: OnlineState, telemetry: Telemetry) -> None:
        self.serving: Serving | None = None
        self._app, self._registry, self._state, self._telemetry = app, registry, state, telemetry
        self._fingerprint = app.fingerprint()
        self._pointed: ReleaseId | None = None
        self._refused: dict[ReleaseId, bool] = {}
        """The releases refused since the pointer moved, each told once; True where trying again may help."""

    def poll(self) -> None:
        """Look at the pointer, and follow it when it has moved or could not be followed yet."""
        try:
            current = self._registry.current()
        except (ReleaseError, OSError) as error:
            self._point_at(ReleaseId("pointer"))
            self._refuse(ReleaseId("pointer"), error)
            return
        if current is None:
            return
        self._point_at(current)
        self._refresh()
        if not self._follow(current) and self.serving is None:
            # After a restart there is no old one to stay with: the newest that still works serves.
            earlier = dict.fromkeys(move.id for move in self._registry.history())
            any(self._follow(ReleaseId(id)) for id in earlier if id != current)

    def _refresh(self) -> None:
        if self.serving is not None:
            for funnel in self.serving.funnels.values():
                funnel.refresh()

    def _point_at(self, id: ReleaseId) -> None:
        if id != self._pointed:
            self._pointed = id
            self._refused.clear()

    def _follow(self, id: ReleaseId) -> bool:
        if self.serving is not None and self.serving.release == id:
            return True
        if not self._refused.get(id, True):
            return False
        try:
            serving = self._load(id)
        except Exception as error:  # whatever is wrong with a release, it must not stop the old one
            self._refuse(id, error)
            return False
        self.serving = serving
        self._telemetry.serves(id)
        _logger.info("release %s serves", id[:12])
        return True

    def _load(self, id: ReleaseId) -> Serving:
        release = self._registry.open(id, self._fingerprint)
        self._refresh()  # all of it may take long beside many requests
        artifacts = load_contents(release.folder, self._app)
        self._refresh()
        item_ids = next(iter(artifacts.values())).item_ids
        assert isinstance(item_ids, ItemIds)
        codes = self._codes(item_ids)
        self._refresh()
        funnels = {
            name: Funnel.build(self._app, surface, artifacts[name], self._state, codes=codes)
            for name, surface in self._app.surfaces.items()
        }
        for name, funnel in funnels.items():
            if self.serving is not None:
                funnel.succeed(self.serving.funnels[name])
            self._warm(funnel)
        return Serving(id, funnels, _similar(artifacts, codes), item_ids, codes)

    def _codes(self, item_ids: ItemIds) -> Items:
        """Number a release's items: those that the one before begins with, too, are numbered already."""
        vocabulary, earlier = self._state.items.vocabulary, self.serving
        if earlier is None:
            return item_codes(vocabulary, item_ids)
        known = earlier.codes[: item_ids.num_common(earlier.item_ids)]
        return item_codes(vocabulary, item_ids, known)

    def _warm(self, funnel: Funnel) -> None:
        """Answer for nobody and for some, so that no request waits for a compiler or a page.

        Twice: the second time shows which sources are quick.
        """
        some = np.unique(np.linspace(0, len(self._state.users) - 1, _WARM_USERS, dtype=np.int64))
        for user in 2 * [-1, *some[some >= 0].tolist()]:
            give_way()
            time_us = self._state.moment(now_us())
            query = Query(user, funnel.surface.k, time_us, {}, seed=0, state=self._state)
            # A stage that hangs must not keep whoever follows the pointer for ever.
            funnel.recommend(query, budget_ms=_PATIENCE_MS)

    def _refuse(self, id: ReleaseId, error: Exception) -> None:
        is_told = id in self._refused
        self._refused[id] = _may_pass(error)
        if is_told:
            return
        self._telemetry.swaps.labels("refused").inc()
        is_foreseen = isinstance(error, (ValueError, OSError))
        _logger.error("release %s is refused: %s", id[:12], error, exc_info=None if is_foreseen else error)


def _similar(artifacts: Mapping[str, FunnelArtifacts], codes: Items) -> SimilarItems | None:
    for one in artifacts.values():
        for model in one.retrieval.values():
            if isinstance(model, FittedCoVisitation):
                return SimilarItems(model, one.item_ids, codes)
    return None


def _may_pass(error: Exception) -> bool:
    """Say whether reading failed, directly or beneath another error; a missing file stays missing."""
    return any(
        isinstance(one, OSError) and not isinstance(one, FileNotFoundError)
        for one in (error, error.__cause__)
    )
