"""A short-video feed on KuaiRand-Pure: will this person click, and watch to the end.

Gao et al., "KuaiRand: An Unbiased Sequential Recommendation Dataset with Randomly Exposed Videos",
CIKM 2022. The data set's own counters of views and likes are totals over the whole period, so they are
used nowhere. It does not say of which day its users' attributes are; they are taken as known before.
"""

import shortlist as sl

app = sl.App("kuairand")

context = app.context(tab=str)  # the page of the app: clicks mean something else on each
user = app.entity(
    "user",
    active_degree=str, low_active=str, live_streamer=str, video_author=str,
    follows=str, fans=str, friends=str, registered=str, register_days=int,
    feat0=str, feat1=str, feat2=str, feat3=str, feat4=str, feat5=str, feat6=str, feat7=str, feat8=str,
    feat9=str, feat10=str, feat11=str, feat12=str, feat13=str, feat14=str, feat15=str, feat16=str,
    feat17=str,
)  # fmt: skip
video = app.entity(
    "video",
    author=str, kind=str, upload=str, tag=str, music=str, music_kind=str, duration_s=float,
    published=sl.Time,
)  # fmt: skip

# Of the time before the impressions there are only lists of what a person watched: `earlier` marks those.
watch = app.event("watch", user, video, watch_s=float, tab=str, earlier=bool)
click = app.event("click", user, video, tab=str)
long_view = app.event("long_view", user, video, earlier=bool)
like = app.event("like", user, video, earlier=bool)
follow = app.event("follow", user, video)
impression = app.impression

# A click is logged a second after its impression, a long view when the watching ends.
clicked = app.label("clicked", click, within="1h")
long_viewed = app.label("long_viewed", long_view, within="1h")
liked = app.label("liked", like, within="1h")

app.features(
    # The person: how active, and how easily pleased before. Rates of their own last outcomes would sort
    # people well (AUC) and a person's videos badly (GAUC): after every success they rise for all videos.
    sl.count(impression, by=user, window=["1h", "1d", "7d", "30d"]),
    sl.count(watch, by=user, window="30d", where=watch.earlier),
    sl.count(long_view, by=user, window="30d", where=long_view.earlier),
    sl.count(like, by=user, window="30d", where=like.earlier),
    sl.recency(impression, by=user),
    sl.count(impression, by=user, window="30d", where=impression.tab == "1"),
    sl.count(impression, by=user, window="30d", where=impression.tab == "0"),
    # The video, and what it shares with others.
    sl.rate(clicked, by=video, window=["1d", "7d", "30d"], prior=20),
    sl.rate(long_viewed, by=video, window=["1d", "7d", "30d"], prior=20),
    sl.count(impression, by=video, window=["1d", "7d", "30d"]),
    sl.count(watch, by=video, window="30d"),
    sl.count(long_view, by=video, window="30d"),
    sl.mean(watch.watch_s, by=video, window=["7d", "30d"]),
    sl.count(impression, by=video, window="30d", where=impression.tab == "1"),
    sl.count(click, by=video, window="30d", where=click.tab == "1"),
    sl.recency(impression, by=video),
    sl.rate(clicked, by=video.author, window="30d", prior=20),
    sl.rate(long_viewed, by=video.author, window="30d", prior=20),
    sl.rate(clicked, by=video.tag, window=["1d", "30d"], prior=50),
    sl.rate(long_viewed, by=video.tag, window="30d", prior=50),
    sl.rate(clicked, by=video.upload, window="30d", prior=50),
    # Taste: the person crossed with what the video is.
    sl.count(impression, by=(user, video.tag), window=["1d", "30d"]),
    sl.count(watch, by=(user, video.tag), window="30d", where=watch.earlier),
    sl.count(long_view, by=(user, video.tag), window="30d", where=long_view.earlier),
    sl.count(impression, by=(user, video.author), window="30d"),
    sl.count(watch, by=(user, video.author), window="30d"),
    sl.count(long_view, by=(user, video.author), window="30d"),
    # Seen before: a second showing is seldom clicked.
    sl.count(impression, by=(user, video), window=["1h", "30d"]),
    sl.count(watch, by=(user, video), window="30d"),
    sl.recency(impression, by=(user, video)),
    # Taste of people alike.
    sl.rate(clicked, by=(user.active_degree, video), window="30d", prior=20),
    sl.rate(clicked, by=(user.registered, video.tag), window="30d", prior=50),
    # What stands on the request, the video and the person.
    context.tab,
    video.duration_s, sl.age(video.published), video.kind, video.upload, video.tag, video.music_kind,
    user.active_degree, user.low_active, user.live_streamer, user.video_author,
    user.follows, user.fans, user.friends, user.registered, user.register_days,
    # Not the features with hundreds of values, such as feat3: they name people, and teach nothing of others.
    user.feat0, user.feat1, user.feat2, user.feat5, user.feat6, user.feat7, user.feat9, user.feat10,
    user.feat11,
    sl.last(watch, by=user, n=50),
)  # fmt: skip

app.surface(
    "home",
    sources=[sl.ItemToItem(n=200), sl.Popular(n=300), sl.Fresh(within="4w", n=50)],
    filters=[sl.NotSeen()],
    ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()),
    value={clicked: 1.0, long_viewed: 1.0},
    rerank=[sl.AtMost(1, per=video.author), sl.Diversify(video.tag), sl.Explore(slots=2)],
    k=20,
    slo=sl.SLO(p99_ms=50),
)
