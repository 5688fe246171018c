"""Movies to watch next, on MovieLens-1M.

Harper and Konstan, "The MovieLens Datasets: History and Context", TiiS 2015. The data set holds
ratings, not what was shown: there are no impressions, so training draws its negatives from the movies
that a person did not rate, and no rate of an impression can be a feature.
"""

import shortlist as sl

app = sl.App("movielens")

user = app.entity("user", gender=str, age=str, occupation=str)
movie = app.entity("movie", title=str, genre=str, year=float)

rating = app.event("rating", user, movie, good=bool)  # good: four stars or five

liked = app.label("liked", rating.good, within="1d")

app.features(
    sl.count(rating, by=user, window=["1d", "365d"]),
    sl.count(rating, by=user, window="365d", where=rating.good),
    sl.count(rating, by=movie, window=["30d", "365d"]),
    sl.count(rating, by=movie, window="365d", where=rating.good),
    sl.count(rating, by=(user, movie.genre), window="365d"),
    sl.count(rating, by=(user, movie.genre), window="365d", where=rating.good),
    sl.count(rating, by=(user.age, movie), window="365d", where=rating.good),
    sl.count(rating, by=(user.gender, movie), window="365d", where=rating.good),
    sl.last(rating, by=user, n=200),
    movie.year, movie.genre, user.gender, user.age, user.occupation,
)  # fmt: skip

app.surface(
    "home",
    sources=[sl.Ease(n=300), sl.ItemToItem(n=200), sl.Popular(n=200, half_life="52w")],
    filters=[sl.NotSeen(within="3650d", n=3000)],
    ranker=sl.Ladder(sl.Logistic(), sl.BoostedTrees()),
    value={liked: 1.0},
    rerank=[sl.Diversify(movie.genre)],
    k=10,
)
