"""What could not be asked is never said to be clean."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cli.tiny import shortlist as run_shortlist
from offline.planting import declare, planted
from shortlist.cli.project import load_app
from shortlist.features.schema import log_schemas
from shortlist.log import HistorySource, SqliteLog
from shortlist.offline.leakage.check import check_leakage


def first(sources: list[HistorySource], **numbers: int) -> list[HistorySource]:
    """Keep the first rows of some kinds, all of the others."""
    return [
        replace(
            source,
            source={name: values[: numbers.get(source.kind)] for name, values in dict(source.source).items()},
        )
        for source in sources
        if numbers.get(source.kind) != 0
    ]


@pytest.fixture(scope="module")
def columns(history) -> dict[str, dict[str, np.ndarray]]:
    """A copy of the outcome among columns that know nothing, by what they are of."""
    good = history.outcomes(history.app.labels["engaged"]).positive.astype(float)
    random = np.random.default_rng(0)
    return {
        "context": {
            "copy": np.where(random.random(len(good)) < 0.1, 1 - good, good),
            "hour": (history.impressions.times_us // 3_600_000_000 % 24).astype(float),
        },
        "user": {"noise": random.normal(size=len(history.users))},
        "video": {"size": random.lognormal(3, 1, len(history.items))},
    }


@pytest.fixture(scope="module")
def with_columns(sources, columns) -> list[HistorySource]:
    return planted(
        sources, {"impression": columns["context"], "user": columns["user"], "video": columns["video"]}
    )


def test_a_copy_of_the_outcome_is_found_among_few_impressions(with_columns, columns, tmp_path):
    declared = load_app(declare(tmp_path, **columns))
    with SqliteLog(tmp_path / "log", log_schemas(declared)) as log:
        log.import_history(first(with_columns, impression=900))
        report = check_leakage(declared, log)
    assert [finding.column for finding in report.findings] == ["context.copy"]
    assert {"context.copy", "context.hour", "video.size"} <= set(report.columns)
    assert report.not_asked == ()
    assert report.num_rows > 2_000, "attributes are held against all users and items, beside the 900"
    assert report.sampling is not None


@pytest.mark.parametrize(
    "kept",
    [
        {"impression": 0},
        {"impression": 40},
        {"impression": 1_500, "watch": 20, "like": 20},
    ],
    ids=["no impressions", "few impressions", "few positives"],
)
def test_context_that_cannot_be_asked_is_said_not_to_be(kept, with_columns, columns, tmp_path, monkeypatch):
    declared = load_app(declare(tmp_path, **columns))
    with SqliteLog(tmp_path / ".shortlist" / "log", log_schemas(declared)) as log:
        log.import_history(first(with_columns, **kept))
        report = check_leakage(declared, log)
    assert report.findings == ()
    assert report.not_asked == ("context.copy", "context.hour")
    assert "video.size" in report.columns
    assert not set(report.columns) & set(report.not_asked)
    monkeypatch.chdir(tmp_path)
    said = run_shortlist("check", "--leakage").output
    assert "Not asked: context.copy, context.hour" in said
    assert "of the columns looked at, none knows the future" in said
    assert "no feature knows the future" not in said
