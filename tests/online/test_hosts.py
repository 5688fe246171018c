"""A server of this machine answers to this machine's names; one for others answers to every name."""

from __future__ import annotations

import pytest

from online.product import running
from online.test_ingest import problem_of


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.9.9.9:8000", "localhost", "LocalHost.:80", "[::1]", "[::1]:8000"]
)
def test_names_of_this_machine_are_answered(client, host):
    assert client.get("/readyz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1:80",
     "[::2]:80", "0.0.0.0:8000", ":80", ""],
)  # fmt: skip
def test_any_other_name_is_refused(client, host):
    answer = client.get("/readyz", headers={"host": host})
    problem = problem_of(answer)
    assert (answer.status_code, problem["field"]) == (421, "host")
    assert host in problem["received"]
    assert "127.0.0.1" in problem["mend"]


def test_a_server_for_others_has_any_name(app, data):
    with running(app, data, host="0.0.0.0") as client:
        assert client.get("/readyz", headers={"host": "shop.example"}).status_code == 200
