"""The wait of a queue: against a simulation, and the bound that follows from it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shortlist.plan.queueing import highest_utilisation, p99_wait_ms


@pytest.mark.parametrize(("utilisation", "shape"), [(0.5, 1.0), (0.8, 1.0), (0.8, 4.0), (0.7, 0.5)])
def test_the_wait_is_that_of_a_simulated_queue(utilisation, shape):
    # Service times of a gamma distribution, whose squared variation is 1 / shape; Lindley's recursion.
    random = np.random.default_rng(5)
    num = 400_000
    service = random.gamma(shape, 1 / shape, num)
    gaps = random.exponential(1 / utilisation, num)
    steps = np.cumsum(service[:-1] - gaps[1:])
    walk = np.concatenate([[0.0], steps])
    waits = walk - np.minimum.accumulate(walk)
    simulated = np.quantile(waits, 0.99)
    # Exact for exponential service times; for others an approximation, which the docstring says.
    assert p99_wait_ms(utilisation, 1.0, 1 / shape) == pytest.approx(
        simulated, rel=0.1 if shape == 1 else 0.3
    )


@given(st.floats(0.1, 1000), st.floats(0.1, 100), st.floats(0, 4))
def test_the_bound_meets_the_budget_and_a_bit_more_does_not(budget_ms, service_ms, cv2):
    bound = highest_utilisation(budget_ms, service_ms, cv2)
    assert 0 < bound < 1
    assert p99_wait_ms(bound, service_ms, cv2) <= budget_ms
    assert p99_wait_ms(bound + (1 - bound) * 0.01 + 0.005, service_ms, cv2) > budget_ms or bound > 0.99


def test_without_a_budget_nothing_may_wait():
    assert highest_utilisation(0.0, 1.0, 1.0) == 0.0
