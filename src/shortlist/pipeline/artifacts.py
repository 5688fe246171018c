"""What a release brings to a funnel.

I items of the release.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shortlist.features.encoders import Encoding
from shortlist.models.contract import FittedRanker
from shortlist.models.popularity import FittedPopularity
from shortlist.models.retrieval import FittedRetrieval
from shortlist.models.segment_popularity import FittedSegmentPopularity


@dataclass(frozen=True)
class FunnelArtifacts:
    """The fitted parts of one surface.

    Args:
        item_ids: the ids of the items 0..I-1 that the retrieval models number.
        popularity: the order of everybody's fallback list.
        retrieval: what each source's `model` became, by the source's place in the surface.
        rankers: what predicts each label, by the label's name; a label without one does not count
            towards the score, and with none at all the sources' order stands.
        encoding: how the rankers' features are made; None without rankers.
        segments: the fallback lists of segments of users; None where the surface declares no segment.
    """

    item_ids: Sequence[str]
    popularity: FittedPopularity
    retrieval: Mapping[int, FittedRetrieval] = field(default_factory=dict)
    rankers: Mapping[str, FittedRanker] = field(default_factory=dict)
    encoding: Encoding | None = None
    segments: FittedSegmentPopularity | None = None
