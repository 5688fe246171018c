"""What was acknowledged is there after kill -9, once; the benchmark does the same for longer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

from shortlist.log.record import Event
from shortlist.log.sqlite import SqliteLog

FILE = Path(__file__).resolve().parents[2] / "benchmarks" / "kill_nine.py"


def kill_nine():
    spec = importlib.util.spec_from_file_location("kill_nine", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_nothing_acknowledged_is_lost_or_doubled(tmp_path):
    outcome = kill_nine().crash(tmp_path, rounds=2)
    assert outcome.num_acknowledged > 100
    assert (outcome.lost, outcome.doubled, outcome.broken) == ([], [], [])


def test_a_lost_and_a_doubled_event_are_seen(tmp_path):
    from shortlist.features.schema import log_schemas

    module = kill_nine()
    fields = {"user": "u", "item": "i"}
    with SqliteLog(tmp_path / "log", log_schemas(module.declare())) as log:
        log.append([Event("click", fields, id="kept")])
    account = module.Account({"kept": 1, "lost": 2})
    account.note([{"id": "kept"}], [{"seq": 9}])
    outcome = module.judge(tmp_path, account, [])
    assert outcome.lost == ["lost"]
    assert len(outcome.broken) == 1
