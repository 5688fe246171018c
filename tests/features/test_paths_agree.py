"""Online fold == offline engine == naive oracle, bit for bit, for random declarations and streams."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.declarations import DAY_US, ITEMS, SECOND_US, START_US, USERS, Happening, apps, happenings
from shortlist.declare.app import App
from shortlist.declare.features import Feature, Last
from shortlist.features.encoders import Encoding
from shortlist.features.offline import History, Requests
from shortlist.features.online import OnlineState
from shortlist.features.plan import make_plan
from shortlist.features.schema import log_schemas
from shortlist.features.snapshot import SnapshotMismatch
from shortlist.features.values import Values
from shortlist.features.vocabulary import Vocabulary
from shortlist.log import Event, HistorySource, SqliteLog
from shortlist.log.record import Record
from shortlist.testing.oracle import Moment, Oracle, Scalar

TEXTS = ["t1", "t2", "nl", "fr", "tv", "phone", "c1"]
PROBED_USERS = [*USERS, "nobody"]
PROBED_ITEMS = [*ITEMS, "nothing"]


class Rig:
    """A real log with a clock of our own, the online state that follows it, and what it answered."""

    def __init__(self, app: App, folder: Path) -> None:
        self.app, self.folder = app, folder
        self.now_us = START_US
        self.encoding = encoding_of(app)
        self.answers: list[tuple[Moment, np.ndarray, dict[str, list[str]]]] = []
        self.open()

    def open(self) -> None:
        self.log = SqliteLog(self.folder / "log", log_schemas(self.app), clock=lambda: self.now_us)
        try:
            self.state = OnlineState.restore(self.app, self.folder / "state")
        except SnapshotMismatch:
            self.state = OnlineState(self.app)
        self.state.catch_up(self.log)
        self.log.subscribe(self.state.apply)

    def append(self, happened: list[Happening]) -> None:
        for one in happened:
            self.now_us += one.wait_us
        events = [Event(one.kind, dict(one.fields), None, one.id) for one in happened]
        self.log.append(events)

    def import_history(self, happened: list[Happening], ago_us: int) -> None:
        """Import what happened some time ago; what is older than the log's end gets the end's log time."""
        sources = []
        for kind in sorted({one.kind for one in happened}):
            rows = [one for one in happened if one.kind == kind]
            fields = sorted({field for one in rows for field in one.fields})
            columns: dict[str, list[object]] = {
                field: [one.fields.get(field) for one in rows] for field in fields
            }
            times_us = [self.now_us - ago_us + number * SECOND_US for number in range(len(rows))]
            columns["happened_us"] = list(times_us)
            named = {field: field for field in fields}
            sources.append(HistorySource(kind, columns, named, "happened_us"))
        report = self.log.import_history(sources)
        assert report.num_rejected == 0, report.reasons
        self.state.catch_up(self.log)

    def ask(self, user: str, items: list[str], device: str | None) -> None:
        """Read the features of several items at once, and keep what was answered."""
        state = self.state
        context: dict[str, Scalar] = {}
        if device is not None:
            context = {"device": device, "hour": 7, "opened": START_US - 3}
        time_us = state.moment(self.now_us)
        code = state.users.vocabulary.code(user)
        matrix = state.features(code, state.items.vocabulary.codes(items), time_us, context, self.encoding)
        histories = {
            name: state.items.vocabulary.texts(state.history(feature, code, time_us))
            for name, feature in state.plan.histories.items()
        }
        for row, item in enumerate(items):
            moment = Moment(user, item, state.last_seq, time_us, context)
            self.answers.append((moment, matrix[row], histories))


def encoding_of(app: App) -> Encoding:
    plan = make_plan(app)
    return Encoding(plan.names, dict.fromkeys(plan.categorical, TEXTS))


def oracle_row(oracle: Oracle, app: App, encoding: Encoding, moment: Moment) -> np.ndarray:
    features = app.read_features()
    row = []
    for name in encoding.names:
        value = oracle.feature(features[name], moment)
        if name in encoding.categories:
            texts = encoding.categories[name]
            value = float(texts.index(value)) if value in texts else None
        row.append(np.nan if value is None else value)
    return np.array(row, np.float64).astype(np.float32)


def requests_of(history: History, moments: list[Moment]) -> Requests:
    context = {}
    for name, field in history.app.request_context.fields.items():
        given = [moment.context.get(name) for moment in moments]
        known = np.array([value is not None for value in given])
        if field.type == "str":
            vocabulary = Vocabulary([text for text in given if isinstance(text, str)])
            codes = np.array([-1 if text is None else vocabulary.code(str(text)) for text in given])
            context[name] = Values("str", codes, known, vocabulary)
        else:
            context[name] = Values(field.type, np.array([value or 0 for value in given], np.int64), known)
    return Requests(
        history.users.codes([moment.user for moment in moments]),
        history.items.codes([moment.item for moment in moments]),
        np.array([moment.as_of_seq for moment in moments], np.int64),
        np.array([moment.time_us for moment in moments], np.int64),
        context,
    )


def assert_same_bits(actual: np.ndarray, expected: np.ndarray, names: tuple[str, ...], what: object) -> None:
    different = [
        f"{name}: {a!r} != {b!r}"
        for name, a, b in zip(names, actual, expected, strict=True)
        if np.float32(a).tobytes() != np.float32(b).tobytes() and not (np.isnan(a) and np.isnan(b))
    ]
    assert not different, f"{what}: {different}"


@settings(
    max_examples=45, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(app=apps(), stream=happenings(), data=st.data())
def test_online_offline_and_oracle_give_the_same_bits(
    app: App, stream: list[Happening], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        rig = Rig(app, Path(folder))
        while stream:
            size = data.draw(st.sampled_from([1, 2, 5, 9]), label="appended together")
            if data.draw(st.sampled_from([*[False] * 11, True]), label="imported"):
                ago_us = st.sampled_from([-3600 * SECOND_US, 0, 20 * SECOND_US, 10 * DAY_US])
                rig.import_history(stream[:size], data.draw(ago_us, label="ago"))
            else:
                rig.append(stream[:size])
            stream = stream[size:]
            step = data.draw(
                st.sampled_from(["go on", "ask", "ask", "snapshot", "restart", "seal", "release"]),
                label="then",
            )
            if step == "ask":
                rig.now_us += data.draw(
                    st.sampled_from([-1, 0, 1, SECOND_US, 61 * SECOND_US]), label="waited"
                )
                rig.ask(
                    data.draw(st.sampled_from(PROBED_USERS)),
                    data.draw(st.lists(st.sampled_from(PROBED_ITEMS), min_size=1, max_size=4)),
                    data.draw(st.sampled_from([None, "tv", "fridge"])),
                )
            elif step == "snapshot":
                rig.state.snapshot(rig.folder / "state")
            elif step == "restart":
                rig.log.close()
                rig.open()
            elif step == "seal":
                rig.log.seal()
            elif step == "release":
                rig.state.release()
        rig.ask("u1", PROBED_ITEMS, "tv")
        check(rig, data)
        rig.log.close()


def check(rig: Rig, data: st.DataObject) -> None:
    app, encoding = rig.app, rig.encoding
    records = rig.log.read(0, 10_000)
    oracle, history = Oracle(app, records), History.read(app, rig.log)
    moments = [moment for moment, _, _ in rig.answers]
    # The offline path also answers for moments at which nobody asked, such as in the middle of a tie.
    for _ in range(6):
        seq = data.draw(st.integers(0, len(records)), label="as of")
        near_us = records[seq - 1].log_time_us if seq else START_US
        time_us = near_us + data.draw(st.sampled_from([-SECOND_US, 0, 1, 5 * SECOND_US]), label="at")
        user = data.draw(st.sampled_from(PROBED_USERS))
        moments.append(Moment(user, data.draw(st.sampled_from(PROBED_ITEMS)), seq, time_us, {"hour": 3}))
    requests = requests_of(history, moments)
    offline = history.features(requests, encoding)
    assert offline.shape == (len(moments), encoding.num_columns)
    for row, moment in enumerate(moments):
        expected = oracle_row(oracle, app, encoding, moment)
        assert_same_bits(offline[row], expected, encoding.names, ("offline", moment))
        if row < len(rig.answers):
            assert_same_bits(rig.answers[row][1], expected, encoding.names, ("online", moment))
    check_histories(rig, oracle, history, requests, moments)
    check_outcomes(app, oracle, history)
    check_impressions(rig, records, oracle, history)


def check_histories(
    rig: Rig, oracle: Oracle, history: History, requests: Requests, moments: list[Moment]
) -> None:
    features: dict[str, Feature] = rig.app.read_features()
    for name, feature in rig.state.plan.histories.items():
        assert isinstance(features[name], Last)
        offline = history.last(feature, requests)
        for row, moment in enumerate(moments):
            expected = oracle.feature(feature, moment)
            found = history.items.texts([code for code in offline[row] if code >= 0])
            assert found == expected, ("offline", name, moment)
            if row < len(rig.answers):
                assert rig.answers[row][2][name] == expected, ("online", name, moment)


def check_outcomes(app: App, oracle: Oracle, history: History) -> None:
    impressions = history.impressions
    if impressions is None:
        return
    for label in app.labels.values():
        outcomes = history.outcomes(label).positive
        expected = [oracle.outcome(label, int(seq)) for seq in impressions.seqs]
        assert outcomes.tolist() == [float(positive) for positive in expected]


def check_impressions(rig: Rig, records: list[Record], oracle: Oracle, history: History) -> None:
    """An impression that does not say what its server knew is given everything before it."""
    shown = [record for record in records if record.kind == "impression"]
    if not shown:
        return
    features = history.features(history.impression_requests(), rig.encoding)
    for row, record in [*zip(features, shown, strict=True)][::4]:
        context = {name: record.fields.get(name) for name in ("device", "hour", "opened")}
        user, item = str(record.fields["user"]), str(record.fields["video"])
        moment = Moment(user, item, record.seq - 1, record.log_time_us, context)  # type: ignore[arg-type]
        assert_same_bits(
            row, oracle_row(oracle, rig.app, rig.encoding, moment), rig.encoding.names, ("impression", moment)
        )
