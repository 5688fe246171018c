"""A short-video feed: what this person should watch next.

This file is the whole product. Read it from top to bottom, change a line, and run
`shortlist check`: it prints what was understood, or says what to mend.
"""

import shortlist as sl

app = sl.App("video")

# Who and what. Every attribute has a type; its value is whatever the log last said, at that moment.
user = app.entity("user", country=str, adult=bool)
video = app.entity(
    "video", creator=str, topic=str, title=str, duration_s=float, explicit=bool, published=sl.Time
)

# What happens. The first event between two entities says who chooses (user) and what (video).
watch = app.event("watch", user, video, watch_s=float)
like = app.event("like", user, video)

# What is logged whenever a video is shown; you declare nothing for it.
impression = app.impression

# What is wanted of an impression: that it leads to such an event, within such a time.
engaged = app.label("engaged", watch.watch_s > 20, within="30m")
liked = app.label("liked", like, within="1d")

# What is known at the moment of a request. One line serves training and serving alike, bit for bit.
app.features(
    # The person: how active, how patient, how easily pleased.
    sl.count(watch, by=user, window=["1h", "1d", "7d"]),
    sl.mean(watch.watch_s, by=user, window="7d"),
    sl.rate(engaged, by=user, window="7d", prior=20),
    sl.recency(watch, by=user),
    # The video: how well it does, smoothed towards the average while it is little shown.
    sl.count(watch, by=video, window=["1h", "1d"]),
    sl.mean(watch.watch_s, by=video, window="1d"),
    sl.rate(engaged, by=video, window=["1d", "7d"], prior=20),
    sl.rate(liked, by=video, window="7d", prior=50),
    sl.count(impression, by=video, window="1d"),
    # Its creator and its topic, which tell something of a video that nobody has seen yet.
    sl.rate(engaged, by=video.creator, window="7d", prior=20),
    sl.rate(engaged, by=video.topic, window="7d", prior=50),
    # The person and the topic, the person and the creator: taste.
    sl.count(watch, by=(user, video.topic), window=["1d", "7d"]),
    sl.rate(engaged, by=(user, video.topic), window="7d", prior=5),
    sl.mean(watch.watch_s, by=(user, video.topic), window="7d"),
    sl.count(impression, by=(user, video.topic), window="1h"),
    sl.rate(engaged, by=(user, video.creator), window="7d", prior=5),
    # The country and the topic: fashions.
    sl.rate(engaged, by=(user.country, video.topic), window="7d", prior=50),
    # What stands on the video itself.
    sl.age(video.published),
    video.duration_s,
    user.country,
    # The last videos of a person: not a column, but a history for the models that read one.
    sl.last(watch, by=user, n=50),
)

# How it chooses: sources propose, filters drop, a model ranks, re-rankers order.
app.surface(
    "home",
    sources=[sl.ItemToItem(n=100), sl.Popular(n=200), sl.Fresh(within="1d", n=50)],
    filters=[sl.NotSeen(), sl.Where(~video.explicit | user.adult)],
    ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()),  # the simplest that none beats is served
    value={engaged: 1.0, liked: 5.0},  # a like is worth five long watches
    rerank=[sl.AtMost(1, per=video.creator), sl.Diversify(video.topic), sl.Explore(slots=2)],
    k=20,
    slo=sl.SLO(p99_ms=50),
    segment=user.country,  # who is new is shown what the country watches, before what everybody does
)
