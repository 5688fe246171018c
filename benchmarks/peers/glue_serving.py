"""The feed as people write it today: FastAPI, pandas, LightGBM's predict, a flat faiss index, and dicts.

    python benchmarks/peers/glue_serving.py --data build/serving-1000000 --port 8001

The same catalogue, sources, candidates, 50 features, trees and rules as `serving/app.py`. What is easy to do
well is done well: vectors and clips share one numbering, the candidates' columns are taken by position in one
step, and predict uses one thread, for that serves more requests on few cores. Nothing is logged, features are
the nightly job's, and no event changes anything: that work it is spared.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import duckdb
import faiss
import lightgbm
import numpy as np
import pandas as pd
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).parents[1]))

from peers.glue_features import ABOUT, MODEL, build

NUM_NEAR, NUM_CO_VISITED, NUM_POPULAR, K = 320, 140, 100, 20
HISTORY_OF_VECTORS, HISTORY_OF_CO_VISITS, GAP_HALF_LIFE = 10, 50, 2.0
EXPLORE_SLOTS, EXPLORE_POOL, REPETITION = 2, 200, 0.2


class RecommendRequest(BaseModel):
    """Who asks."""

    user: str


class Item(BaseModel):
    """A place of the slate."""

    item: str
    position: int
    score: float
    propensity: float


class RecommendResponse(BaseModel):
    """The slate."""

    items: list[Item]
    degraded: list[str] = []


class Recommender:
    """Everything in memory, in data frames and dicts."""

    def __init__(self, folder: Path) -> None:
        about = json.loads((folder / ABOUT).read_text())
        self.feature_names = about["names"]
        self.model = lightgbm.Booster(model_file=str(folder / MODEL))
        clips = _frame(folder / "clips.parquet")
        self.clip_ids = clips["clip"].to_numpy()
        number_of = {clip: number for number, clip in enumerate(self.clip_ids)}
        self.creators, self.topics = clips["creator"].to_numpy(), clips["topic"].to_numpy()
        self.explicit = clips["explicit"].to_numpy()
        self.published_s = clips["published"].to_numpy() / 1e6
        self.watched_s = clips["recency(watch, by=clip)"].to_numpy()
        for name in ("clip.topic", "clip.language"):
            codes = {text: float(code) for code, text in enumerate(about["categories"][name])}
            clips[name] = clips[name.removeprefix("clip.")].map(codes)
        clips["clip.explicit"] = clips["explicit"].astype(float)
        clips["clip.duration_s"] = clips["duration_s"]
        known = [name for name in self.feature_names if name in clips]
        self.clip_features = clips[known].astype("float32")

        countries = {text: float(code) for code, text in enumerate(about["categories"]["user.country"])}
        users = _frame(folder / "users.parquet")
        users["user.country"] = users["country"].map(countries)
        users["user.adult"] = users["adult"].astype(float)
        known = ["user", "country", *(name for name in self.feature_names if name in users)]
        self.users = {row["user"]: row for row in users[known].to_dict("records")}
        self.nobody = dict.fromkeys(known, np.nan) | {"user": None, "country": None}

        self.user_topic, self.user_topic_names = _by_pair(folder / "user_topic.parquet")
        self.user_creator, self.user_creator_names = _by_pair(folder / "user_creator.parquet")
        self.user_clip, self.user_clip_names = _by_pair(folder / "user_clip.parquet")
        self.country_topic, self.country_topic_names = _by_pair(folder / "country_topic.parquet")
        overall = about["overall"]["30d"]
        self.no_topic = tuple(
            overall if name.startswith("rate") else np.nan if name.startswith("recency") else 0.0
            for name in self.user_topic_names
        )
        self.no_country = (overall,)

        histories = _frame(folder / "histories.parquet")
        self.histories = {
            user: [number_of[clip] for clip in seen]
            for user, seen in zip(histories["user"], histories["clip"], strict=True)
        }
        self.co_visits: dict[int, list[tuple[int, float]]] = defaultdict(list)
        pairs = _frame(folder / "co_visits.parquet")
        for clip, near, score in zip(pairs["clip"], pairs["near"], pairs["score"], strict=True):
            self.co_visits[number_of[clip]].append((number_of[near], score))
        self.popular = [number_of[clip] for clip in about["popular"]][:NUM_POPULAR]

        vectors = np.stack(_frame(folder.parent / "vectors.parquet")["vector"].to_numpy())
        self.vectors = np.asarray(vectors, "float32")
        faiss.normalize_L2(self.vectors)
        self.index = faiss.IndexFlatIP(self.vectors.shape[1])
        self.index.add(self.vectors)
        self.random = np.random.default_rng()

    def recommend(self, user: str) -> list[Item]:
        """Choose twenty clips."""
        about_user = self.users.get(user, self.nobody)
        seen = self.histories.get(user, [])
        candidates = [clip for clip in self.candidates(seen) if clip not in set(seen)]
        if about_user["user.adult"] != 1.0:
            candidates = [clip for clip in candidates if not self.explicit[clip]]
        numbers = np.array(candidates)
        scores = self.model.predict(self.features(about_user, numbers), num_threads=1)
        return self.slate(numbers, scores)

    def candidates(self, seen: list[int]) -> list[int]:
        """Ask the three sources and take turns among them."""
        near: list[int] = []
        co_visited: list[int] = []
        if seen:
            mean = self.vectors[seen[:HISTORY_OF_VECTORS]].mean(axis=0, keepdims=True)
            faiss.normalize_L2(mean)
            _, found = self.index.search(mean, NUM_NEAR + HISTORY_OF_VECTORS)
            near = [clip for clip in found[0].tolist() if clip not in seen[:HISTORY_OF_VECTORS]][:NUM_NEAR]
            sums: dict[int, float] = defaultdict(float)
            for place, clip in enumerate(seen[:HISTORY_OF_CO_VISITS]):
                weight = 0.5 ** (place / GAP_HALF_LIFE)
                for other, score in self.co_visits.get(clip, ()):
                    sums[other] += weight * score
            co_visited = sorted(sums, key=sums.__getitem__, reverse=True)[:NUM_CO_VISITED]
        merged: dict[int, None] = {}
        for place in range(max(len(near), len(co_visited), len(self.popular))):
            for source in (near, co_visited, self.popular):
                if place < len(source):
                    merged[source[place]] = None
        return list(merged)

    def features(self, about_user: dict[str, object], numbers: np.ndarray) -> np.ndarray:
        """Put what is known of clip, user and both side by side, a row a candidate."""
        now_s = time.time()
        user, country = about_user["user"], about_user["country"]
        topics, creators = self.topics[numbers], self.creators[numbers]
        frame = self.clip_features.take(numbers)
        of_user = {name: value for name, value in about_user.items() if name not in ("user", "country")}
        crosses = {
            tuple(self.user_topic_names): [
                self.user_topic.get((user, topic), self.no_topic) for topic in topics
            ],
            tuple(self.user_creator_names): [
                self.user_creator.get((user, creator), (0.0, 0.0)) for creator in creators
            ],
            tuple(self.user_clip_names): [
                self.user_clip.get((user, clip), (0.0,)) for clip in self.clip_ids[numbers]
            ],
            tuple(self.country_topic_names): [
                self.country_topic.get((country, topic), self.no_country) for topic in topics
            ],
        }
        parts = [frame.assign(**of_user)]
        parts += [pd.DataFrame(rows, columns=names, index=frame.index) for names, rows in crosses.items()]
        joined = pd.concat(parts, axis=1)
        joined["age(clip.published)"] = now_s - self.published_s[numbers]
        for name in self.feature_names:
            if name.startswith("recency("):
                joined[name] = now_s - joined[name]
        joined["recency(watch, by=clip)"] = now_s - self.watched_s[numbers]
        return joined[self.feature_names].to_numpy("float32")

    def slate(self, numbers: np.ndarray, scores: np.ndarray) -> list[Item]:
        """Order by score with one clip per creator, repeat topics less, and leave two places to chance."""
        order = np.argsort(-scores)
        creators: set[str] = set()
        first_of_creator = []
        for place in order.tolist():
            creator = self.creators[numbers[place]]
            if creator not in creators:
                creators.add(creator)
                first_of_creator.append(place)
        top, bottom = scores[order[0]], scores[order[-1]]
        times_seen: dict[str, int] = defaultdict(int)
        worth = {}
        for place in first_of_creator:
            topic = self.topics[numbers[place]]
            relevance = (scores[place] - bottom) / ((top - bottom) or 1.0)
            worth[place] = relevance * (1 - REPETITION) ** times_seen[topic]
            times_seen[topic] += 1
        ranked = sorted(worth, key=worth.__getitem__, reverse=True)
        num_sure = K - EXPLORE_SLOTS
        shown = [(place, 1.0) for place in ranked[:num_sure]]
        pool = ranked[num_sure : num_sure + EXPLORE_POOL]
        drawn = self.random.choice(pool, min(EXPLORE_SLOTS, len(pool)), replace=False).tolist()
        for slot, place in zip((5, 15), drawn, strict=False):
            shown.insert(slot, (place, 1 / len(pool)))
        return [
            Item(
                item=self.clip_ids[numbers[place]],
                position=position,
                score=float(scores[place]),
                propensity=propensity,
            )
            for position, (place, propensity) in enumerate(shown, start=1)
        ]


def _frame(path: Path) -> pd.DataFrame:
    return duckdb.sql(f"FROM read_parquet('{path}')").df()


def _by_pair(path: Path) -> tuple[dict[tuple[str, str], tuple[float, ...]], list[str]]:
    """Read a table with two keys into a dict."""
    frame = _frame(path)
    first, second, *names = frame.columns
    for name in names:
        if name.startswith("count("):
            frame[name] = frame[name].fillna(0.0)
    rows = frame[names].itertuples(index=False, name=None)
    return dict(zip(zip(frame[first], frame[second], strict=True), rows, strict=True)), names


def create_app(data: Path) -> FastAPI:
    """Load everything and return the application."""
    recommender = Recommender(build(data))
    app = FastAPI()

    # Not `def`: threads that take turns at one interpreter lock serve fewer requests, with a longer tail.
    @app.post("/recommend", response_model=RecommendResponse)
    async def recommend(request: RecommendRequest) -> RecommendResponse:
        return RecommendResponse(items=recommender.recommend(request.user))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8001)
    asked = parser.parse_args()
    uvicorn.run(create_app(asked.data), port=asked.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
