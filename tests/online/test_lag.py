"""What is reckoned with is what delays have been lately, and no single one of them."""

from __future__ import annotations

import numpy as np

from shortlist.online.lag import Lag


def followed(delays_s: np.ndarray) -> list[float]:
    lag, seconds = Lag(), []
    for delay_s in delays_s:
        lag.was(delay_s)
        seconds.append(lag.seconds)
    return seconds


def test_it_follows_a_high_quantile_up_and_down() -> None:
    random = np.random.default_rng(1)
    quiet_s, busy_s = random.exponential(0.0002, 2000), random.exponential(0.005, 2000)
    seconds = followed(np.concatenate([quiet_s, busy_s, quiet_s]))
    assert np.mean(seconds[1000:2000]) < 0.001
    assert 0.008 < np.mean(seconds[3000:4000]) < 0.016  # 90 of 100 are below 11.5 ms
    assert np.mean(seconds[5000:]) < 0.001


def test_one_pause_of_the_machine_is_no_lag() -> None:
    delays_s = np.full(500, 0.0001)
    delays_s[400] = 0.09
    seconds = followed(delays_s)
    assert max(seconds) < 0.001
    assert min(seconds) >= 0
