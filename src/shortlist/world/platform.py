"""One simulated platform: its people, its videos, its past, and its live users.

Shapes: N pairs, K slots, U users, V videos.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shortlist.world.behaviour import Reactions
from shortlist.world.catalogue import publish
from shortlist.world.config import SECOND_US, WorldConfig, WorldError
from shortlist.world.history import TRUTH, Columns, History, Progress, simulate
from shortlist.world.people import invite
from shortlist.world.words import COUNTRIES


class World:
    """A short-video platform whose every probability is known.

    Users and videos have a number (row of `users` and `videos`) and a readable id; the truth is
    asked by number, the log speaks in ids. Same config, same world, bit for bit.

    Args:
        config: the size and habits of the world; None for the default.

    Attributes:
        config: as given.
        people: hidden tastes and habits of the users.
        catalogue: hidden qualities of the videos.
    """

    def __init__(self, config: WorldConfig | None = None) -> None:
        self.config = WorldConfig() if config is None else config
        self.people = invite(self.config)
        self.catalogue = publish(self.config)

    @cached_property
    def users(self) -> Columns:
        """What the platform knows of its users, by number: user (id), country, adult."""
        countries = np.array([name for name, _, _ in COUNTRIES])
        return {
            "user": np.char.mod("u%05d", np.arange(len(self.people))),
            "country": countries[self.people.country],
            "adult": self.people.adult,
        }

    @cached_property
    def videos(self) -> Columns:
        """What the platform knows of its videos, by number and in order of publication.

        Columns video (id), creator, topic, title, duration_s, explicit, published_us; the uploads of
        the simulated days are among them.
        """
        catalogue = self.catalogue
        return {
            "video": np.char.mod("v%06d", np.arange(len(catalogue))),
            "creator": np.array(catalogue.creator_names)[catalogue.creator],
            "topic": np.array(catalogue.topic_names)[catalogue.topic],
            "title": catalogue.title,
            "duration_s": catalogue.duration_s,
            "explicit": catalogue.explicit,
            "published_us": catalogue.published_us,
        }

    @cached_property
    def user_index(self) -> dict[str, int]:
        """Number of each user id."""
        return {user: number for number, user in enumerate(self.users["user"].tolist())}

    @cached_property
    def video_index(self) -> dict[str, int]:
        """Number of each video id."""
        return {video: number for number, video in enumerate(self.videos["video"].tolist())}

    def click_probability(
        self, users: ArrayLike, videos: ArrayLike, positions: ArrayLike
    ) -> NDArray[np.float64]:
        """True chance of a click on a slot, before fatigue.

        Fatigue (what the session showed earlier) multiplies it by a factor of at most 1; see
        `Behaviour.freshness`. Position 0 is the chance for a user who surely looks.

        Args:
            users: int [N], numbers.
            videos: int [N], numbers.
            positions: int [N], 0-based slots; arguments broadcast against each other.

        Raises:
            WorldError: a number is out of range.
        """
        users_N, videos_N, positions_N = self._numbers(users, videos, positions)
        behaviour = self.config.behaviour
        examined_N = behaviour.examination(self.people, users_N, positions_N)
        return examined_N * behaviour.attraction(self.people, self.catalogue, users_N, videos_N)

    def expected_watch_s(self, users: ArrayLike, videos: ArrayLike) -> NDArray[np.float64]:
        """True mean of the seconds watched, given a click.

        Args:
            users: int [N], numbers.
            videos: int [N], numbers; arguments broadcast against each other.

        Raises:
            WorldError: a number is out of range.
        """
        users_N, videos_N, _ = self._numbers(users, videos, 0)
        return self.config.behaviour.expected_watch_s(self.people, self.catalogue, users_N, videos_N)

    def respond(
        self,
        user: int,
        videos: ArrayLike,
        time_us: int,
        rng: np.random.Generator,
        seen: Sequence[int] = (),
    ) -> Reactions:
        """Let a live user react to a slate.

        Args:
            user: number.
            videos: int [K], numbers, top slot first.
            time_us: now, UTC microseconds; every video must be out.
            rng: decides what chance decides.
            seen: numbers of the videos this session showed before, which tire.

        Returns:
            clicked, watch_s and liked, each [K].

        Raises:
            WorldError: a number is out of range, or a video is not out yet.
        """
        videos_K = np.atleast_1d(np.asarray(videos, dtype=np.int64))
        users_K, videos_K, positions_K = self._numbers(user, videos_K, np.arange(len(videos_K)))
        unborn = videos_K[videos_K >= self.catalogue.num_published(time_us)]
        if len(unborn):
            raise WorldError(f"videos: {self.videos['video'][unborn[0]]} is not published yet at {time_us}")
        earlier_1H = np.asarray(seen, dtype=np.int64).reshape(1, -1)
        freshness_K = self.config.behaviour.freshness(self.catalogue, earlier_1H, videos_K[None, :])[0]
        chance_K = freshness_K * self.click_probability(users_K, videos_K, positions_K)
        return self.config.behaviour.react(self.people, self.catalogue, users_K, videos_K, chance_K, rng)

    def history(self, num_impressions: int = 200_000, progress: Progress | None = None) -> History:
        """Write the log of the simulated days, as the old platform would have left it.

        Args:
            num_impressions: rows of impressions, exactly.
            progress: called after each simulated day with (impressions so far, num_impressions).

        Raises:
            WorldError: num_impressions is below 1, or the world has too few videos for a slate.
        """
        if num_impressions < 1:
            raise WorldError(f"num_impressions: expected 1 or more, got {num_impressions}")
        rows = simulate(self.config, self.people, self.catalogue, num_impressions, progress)
        user, video = self.users["user"][rows["user"]], self.videos["video"][rows["video"]]
        slate_ids = np.char.mod("r%08d", np.arange(rows["slate"][-1] + 1))
        # A like follows the end of its watch by a second.
        reacted = np.flatnonzero(rows["clicked"])
        reacted = reacted[np.argsort(rows["reacted_us"][reacted], kind="stable")]
        liked = reacted[rows["liked"][reacted]]
        return History(
            impressions={
                "user": user,
                "video": video,
                "position": rows["position"],
                "slate": slate_ids[rows["slate"]],
                "propensity": rows["propensity"],
                "time_us": rows["time_us"],
            },
            watches={
                "user": user[reacted],
                "video": video[reacted],
                "watch_s": rows["watch_s"][reacted],
                "time_us": rows["reacted_us"][reacted],
            },
            likes={
                "user": user[liked],
                "video": video[liked],
                "time_us": rows["reacted_us"][liked] + SECOND_US,
            },
            user_updates={**self.users, "time_us": np.full(len(self.people), self.config.start_us)},
            video_updates={**self.videos, "time_us": self.catalogue.published_us},
            truth={name: rows[name] for name in TRUTH},
        )

    def _numbers(
        self, users: ArrayLike, videos: ArrayLike, positions: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        users_N, videos_N, positions_N = np.broadcast_arrays(
            *(np.asarray(argument, dtype=np.int64) for argument in (users, videos, positions))
        )
        for name, numbers, count in (
            ("users", users_N, len(self.people)),
            ("videos", videos_N, len(self.catalogue)),
        ):
            if numbers.size and (numbers.min() < 0 or numbers.max() >= count):
                raise WorldError(
                    f"{name}: expected numbers 0 to {count - 1}, got {numbers.min()} to {numbers.max()}; "
                    f"look ids up in {name[:-1]}_index"
                )
        if positions_N.size and positions_N.min() < 0:
            raise WorldError(f"positions: expected 0-based slots, got {positions_N.min()}")
        return users_N, videos_N, positions_N
