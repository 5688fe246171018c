"""Another release takes over while requests are answered; one that cannot is refused."""

from __future__ import annotations

import errno
import gc
import logging
import threading
import time
import weakref

import msgspec
import pytest

from online.product import metadata, recommend, running
from shortlist.online import loader
from shortlist.pipeline.funnel import Funnel
from shortlist.releases import BundleWriter, Registry
from shortlist.releases.errors import ReleaseCorrupted
from shortlist.releases.pointer import read_pointer, write_pointer


@pytest.fixture(autouse=True)
def _poll_often(monkeypatch):
    monkeypatch.setattr("shortlist.online.service.POLL_S", 0.02)


def releases(data):
    """The current release and the other one."""
    registry = Registry(data / "releases")
    current = registry.current()
    (other,) = [info.id for info in registry.list() if info.id != current]
    return registry, current, other


def wait_until(what, within_s=30.0):
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s, "it did not happen"
        time.sleep(0.01)


def served(client):
    return client.get("/readyz").json()["release"]


def num_refused(client):
    lines = client.get("/metrics").text.splitlines()
    counts = [line.split()[-1] for line in lines if 'release_loads_total{result="refused"}' in line]
    return float(counts[0]) if counts else 0


def point_at(data, id):
    """Move the pointer as a registry would, but without its checks."""
    path = data / "releases" / "current.json"
    write_pointer(path, read_pointer(path).promoted(id))


def test_no_request_fails_while_releases_change_twenty_times(app, data):
    registry, first, second = releases(data)
    answers, stop = [], threading.Event()

    def hammer(name):
        while not stop.is_set():
            answers.append(client.post("/v1/surfaces/home/recommend", json={"user": name, "preview": True}))

    with running(app, data) as client:
        threads = [threading.Thread(target=hammer, args=(f"u{n}",)) for n in range(2)]
        for thread in threads:
            thread.start()
        for number in range(20):
            expected = (second, first)[number % 2]
            assert (registry.rollback() if number % 2 else registry.promote(second)) == expected
            wait_until(lambda expected=expected: served(client) == expected)
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    bodies = [answer.json() for answer in answers]
    assert {body["release"] for body in bodies} == {first, second}
    assert all(len(body["items"]) == 10 and not body["degraded"] for body in bodies)


def test_the_next_release_is_ready_for_those_who_asked_the_last_one(app, data, monkeypatch):
    registry, _, second = releases(data)
    succeeded = []
    monkeypatch.setattr(Funnel, "succeed", lambda *funnels: succeeded.append(funnels))
    with running(app, data) as client:
        assert not succeeded
        registry.promote(second)
        wait_until(lambda: served(client) == second)
    assert {later.surface.surface_name for later, _ in succeeded} == set(app.surfaces)
    assert all(later.surface is earlier.surface and later is not earlier for later, earlier in succeeded)


def test_a_damaged_release_is_refused_and_the_old_one_keeps_serving(app, data):
    _, first, second = releases(data)
    damaged = data / "releases" / "releases" / second / "item_ids.npy"
    damaged.chmod(0o644)
    damaged.write_bytes(damaged.read_bytes().replace(b"v1", b"v2"))
    with running(app, data) as client:
        point_at(data, second)
        wait_until(lambda: num_refused(client) == 1)
        assert recommend(client, "u1")["release"] == served(client) == first
        time.sleep(0.1)
        assert num_refused(client) == 1


def test_after_a_restart_the_newest_release_that_works_serves(app, data):
    _, first, second = releases(data)
    point_at(data, second)
    model = next((data / "releases" / "releases" / second).rglob("*.npy"))
    model.chmod(0o644)
    model.write_bytes(b"")
    with running(app, data) as client:
        assert recommend(client, "u1")["release"] == first


def test_a_release_of_another_declaration_is_refused(app, data):
    registry, first, _ = releases(data)
    with BundleWriter(registry.folder) as bundle:
        (bundle.folder / "contents.json").write_text("{}")
        foreign = bundle.commit(msgspec.structs.replace(metadata(app, 1), fingerprint="0" * 64))
    with running(app, data) as client:
        registry.promote(foreign)
        wait_until(lambda: num_refused(client) == 1)
        assert recommend(client, "u1")["release"] == first


def test_a_release_without_its_models_is_refused(app, data):
    registry, first, second = releases(data)
    with BundleWriter(registry.folder) as bundle:
        (bundle.folder / "contents.json").write_text("{}")
        empty = bundle.commit(metadata(app, 1))
    with running(app, data) as client:
        registry.promote(empty)
        wait_until(lambda: num_refused(client) == 1)
        assert recommend(client, "u1")["release"] == first
        registry.promote(second)
        wait_until(lambda: served(client) == second)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_release_that_could_not_be_read_is_tried_again(app, data, monkeypatch, wrapped):
    registry, _, second = releases(data)
    tries, load = [], loader.load_contents

    def stumble(folder, app):
        tries.append(folder)
        if len(tries) > 3:
            return load(folder, app)
        error = OSError(errno.EIO, "the disk stumbles")
        if wrapped:
            raise ReleaseCorrupted("items", expected="a file", received=error, mend="Wait.") from error
        raise error

    with running(app, data) as client:
        monkeypatch.setattr(loader, "load_contents", stumble)
        registry.promote(second)
        wait_until(lambda: served(client) == second)
        assert (len(tries), num_refused(client)) == (4, 1)


def test_a_release_that_is_refused_is_not_tried_again(app, data, monkeypatch):
    registry, first, second = releases(data)
    tries = []

    def refuse(folder, app):
        tries.append(folder)
        raise ReleaseCorrupted("items", expected="a file", received="none", mend="Train again.")

    with running(app, data) as client:
        with monkeypatch.context() as patched:
            patched.setattr(loader, "load_contents", refuse)
            registry.promote(second)
            wait_until(lambda: num_refused(client) == 1)
            time.sleep(0.2)
            assert (len(tries), served(client)) == (1, first)
        registry.rollback()
        time.sleep(0.1)
        registry.promote(second)
        wait_until(lambda: served(client) == second)


def test_whatever_fails_the_watcher_goes_on(app, data, monkeypatch, caplog):
    registry, _, second = releases(data)
    with running(app, data) as client:
        with monkeypatch.context() as patched, caplog.at_level(logging.ERROR):
            patched.setattr(Registry, "current", lambda self: 1 // 0)
            wait_until(lambda: caplog.text.count("ZeroDivisionError") > 1)
        registry.promote(second)
        wait_until(lambda: served(client) == second)


def test_a_damaged_pointer_changes_nothing(app, data):
    _, first, _ = releases(data)
    with running(app, data) as client:
        (data / "releases" / "current.json").write_text("{")
        wait_until(lambda: num_refused(client) == 1)
        assert recommend(client, "u1")["release"] == first


def test_what_served_before_is_free_once_the_last_answer_of_it_is_out(app, data):
    _, _, second = releases(data)
    with running(app, data) as client:
        recommend(client, "u1")
        before = weakref.ref(client.server.service.serving)
        funnel = weakref.ref(before().funnels["home"])
        gc.disable()  # a release is large: it must not wait for the collector, which is told not to look
        try:
            point_at(data, second)
            wait_until(lambda: served(client) == second)
            recommend(client, "u1")
            wait_until(lambda: before() is None and funnel() is None)
        finally:
            gc.enable()
