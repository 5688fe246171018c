"""Whatever is sent, the server answers; a refusal is a problem document that names a field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from online.test_ingest import problem_of

ROUTES = [
    ("POST", "/v1/events"),
    ("POST", "/v1/surfaces/home/recommend"),
    ("PUT", "/v1/items"),
    ("PUT", "/v1/users"),
]
TEXT = st.text(max_size=8) | st.sampled_from(
    ["u1", "v1", "watch", "\x00", "\ud800", "é", "2026-01-31T12:00:00Z"]
)
SCALAR = (
    st.none() | st.booleans() | TEXT | st.floats() | st.integers() | st.integers(-(2**70), 2**70)
)  # fmt: skip
VALUE = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
FIELD = st.sampled_from(
    ["type", "user", "video", "watch_s", "id", "time", "k", "context", "trace", "preview", "attributes",
     "published", "adult", "duration_s", "events", "items", "users", "device"]
)  # fmt: skip
RECORD = st.dictionaries(FIELD, VALUE, max_size=6) | st.fixed_dictionaries(
    {"type": st.just("watch"), "user": TEXT, "video": TEXT},
    optional={"watch_s": SCALAR, "time": SCALAR, "id": SCALAR},
)
BODY = (
    st.binary(max_size=40)
    | (VALUE | RECORD).map(lambda value: json.dumps(value).encode())
    | st.builds(
        lambda name, rows: json.dumps({name: rows}).encode(),
        st.sampled_from(["events", "items", "users"]),
        st.lists(RECORD | VALUE, max_size=4),
    )
)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_no_body_brings_the_server_down(client, method, path):
    @settings(max_examples=100, deadline=None)
    @given(BODY)
    def answer_is_sound(body):
        answer = client.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in (200, 400, 422), answer.text
        if answer.status_code != 200:
            assert problem_of(answer)["field"] is not None

    answer_is_sound()
    assert client.get("/readyz").status_code == 200


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=12), st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]))
def test_no_path_brings_the_server_down(client, text, method):
    encoded = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
    for path in (
        f"/{encoded}",
        f"/v1/items/{encoded}",
        f"/v1/items/{encoded}/similar?{encoded}=%ff",
        f"/v1/{encoded}/x",
    ):
        answer = client.request(method, path)
        assert answer.status_code in (200, 400, 404, 405, 415, 422), answer.text
        if answer.status_code != 200:
            assert problem_of(answer)["field"] is not None
