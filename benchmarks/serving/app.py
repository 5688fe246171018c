"""A feed over a catalogue of a million clips: three sources, 50 features, one label, twenty places.

The sources propose 560 clips, some of them twice, so that some 500 are ranked. The release's ranker has 300
trees of 63 leaves. `declare` takes further sources, for a figure that needs one that breaks.
"""

import os

import shortlist as sl
from shortlist.declare.surface import Stage

SURFACE = "home"
K = 20
NUM_NEAR, NUM_CO_VISITED, NUM_POPULAR = 320, 140, 100
NUM_PROPOSED = NUM_NEAR + NUM_CO_VISITED + NUM_POPULAR
P99_MS = float(os.environ.get("SERVING_P99_MS", "10"))
"""A budget is no part of what a release is built for, so one release can be served with any."""


def declare(*more_sources: Stage) -> sl.App:
    """Declare the product."""
    app = sl.App("clips")
    user = app.entity("user", country=str, adult=bool)
    clip = app.entity(
        "clip", creator=str, topic=str, language=str, explicit=bool, duration_s=float, published=sl.Time
    )
    watch = app.event("watch", user, clip, watch_s=float)
    like = app.event("like", user, clip)
    impression = app.impression
    engaged = app.label("engaged", watch.watch_s > 30, within="30m")
    app.features(
        # The clip.
        sl.count(impression, by=clip, window=["1d", "7d", "30d"]),
        sl.count(watch, by=clip, window=["1d", "7d", "30d"]),
        sl.mean(watch.watch_s, by=clip, window=["7d", "30d"]),
        sl.count(like, by=clip, window=["7d", "30d"]),
        sl.rate(engaged, by=clip, window=["1d", "7d", "30d"], prior=20),
        sl.recency(watch, by=clip),
        sl.age(clip.published), clip.duration_s, clip.topic, clip.language, clip.explicit,
        # What it shares with others.
        sl.rate(engaged, by=clip.topic, window=["1d", "30d"], prior=50),
        sl.count(watch, by=clip.topic, window="1d"),
        sl.mean(watch.watch_s, by=clip.topic, window="7d"),
        sl.rate(engaged, by=clip.creator, window="30d", prior=20),
        sl.count(watch, by=clip.creator, window="7d"),
        sl.count(like, by=clip.creator, window="30d"),
        # The person.
        sl.count(impression, by=user, window=["1h", "1d", "7d"]),
        sl.count(watch, by=user, window=["1h", "1d", "7d"]),
        sl.mean(watch.watch_s, by=user, window=["1d", "7d"]),
        sl.count(like, by=user, window="7d"),
        sl.recency(watch, by=user),
        user.country, user.adult,
        # The person and what the clip is.
        sl.count(watch, by=(user, clip.topic), window=["1d", "7d", "30d"]),
        sl.count(impression, by=(user, clip.topic), window=["7d", "30d"]),
        sl.count(like, by=(user, clip.topic), window="30d"),
        sl.rate(engaged, by=(user, clip.topic), window="30d", prior=20),
        sl.recency(watch, by=(user, clip.topic)),
        sl.count(watch, by=(user, clip.creator), window="30d"),
        sl.count(impression, by=(user, clip.creator), window="30d"),
        sl.count(impression, by=(user, clip), window="30d"),
        sl.rate(engaged, by=(user.country, clip.topic), window="30d", prior=50),
    )  # fmt: skip
    app.surface(
        SURFACE,
        sources=[
            # The path is read by whoever builds the release, in the folder of the catalogue.
            sl.NearVectors("vectors.parquet", n=NUM_NEAR),
            sl.ItemToItem(n=NUM_CO_VISITED),
            sl.Popular(n=NUM_POPULAR, half_life="7d"),
            *more_sources,
        ],
        filters=[sl.NotSeen(), sl.Where(~clip.explicit | user.adult)],
        ranker=sl.BoostedTrees(num_trees=300, num_leaves=63),
        value={engaged: 1.0},
        rerank=[sl.AtMost(1, per=clip.creator), sl.Diversify(clip.topic), sl.Explore(slots=2)],
        k=K,
        slo=sl.SLO(p99_ms=P99_MS),
    )
    return app


app = declare()
