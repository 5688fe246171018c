"""`import shortlist` is light, and a declaration touches nothing outside itself."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ["numpy", "numba", "duckdb", "lightgbm", "scipy", "faiss", "jax", "uvicorn", "sqlite3"]

DECLARE = """
import shortlist as sl
app = sl.App("video")
user = app.entity("user", country=str)
video = app.entity("video", topic=str, published=sl.Time)
watch = app.event("watch", user, video, watch_s=float)
engaged = app.label("engaged", watch.watch_s > 30, within="30m")
app.features(
    sl.count(watch, by=user, window=["1h", "7d"]), sl.mean(watch.watch_s, by=video, window="1d"),
    sl.rate(engaged, by=video.topic, window="1d", prior=20), sl.last(watch, by=user, n=5),
    sl.recency(watch, by=user), sl.age(video.published), user.country,
)
app.log_schema(), app.read_features(), app.fingerprint(), app.impression
"""

# Python's own audit hook sees every file opened, process started and socket made, whoever asks.
AUDITED = """
import sys
import shortlist.declare.app, json, hashlib
seen = []
sys.addaudithook(lambda event, _: seen.append(event) if event.split(".")[0] in (
    "open", "os", "socket", "subprocess", "sqlite3", "import", "shutil") else None)
exec(compile(%r, "declaration", "exec"))
print(seen)
"""


def run(script: str) -> str:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_declaration_imports_nothing_heavy():
    script = DECLARE + f"\nimport sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(script) == "[]"


def test_a_declaration_does_no_input_or_output():
    without_import = DECLARE.replace("import shortlist as sl", "sl = sys.modules['shortlist']")
    assert run(AUDITED % without_import) == "[]"
