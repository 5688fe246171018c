"""Less than chance: draws of known odds never fall below it, a statistic of the draws themselves does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from shortlist.offline.leakage.association import lower_bound, neighbours_say, spearman
from shortlist.offline.leakage.chance import count_dispersion, rate_dispersion

MANY_QUESTIONS = 1_000


def draws(seed: int, rows_a_key: int, num_keys: int = 600):
    random = np.random.default_rng(seed)
    odds = random.beta(2, 5, num_keys)
    numbers = random.integers(1, 2 * rows_a_key + 1, num_keys).astype(float)
    return odds, random.binomial(numbers.astype(int), odds).astype(float), numbers


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rows_a_key", [1, 3, 30, 300])
def test_the_true_odds_are_not_accused_and_the_mean_is(seed, rows_a_key):
    odds, good, numbers = draws(seed, rows_a_key)
    known = rate_dispersion(odds, good, numbers)
    assert 0.75 < known.ratio < 1.4
    assert not known.is_below_chance(MANY_QUESTIONS)
    mean = rate_dispersion(good / numbers, good, numbers)
    assert mean.ratio < 0.3
    assert mean.is_below_chance(MANY_QUESTIONS)


@pytest.mark.parametrize("seed", range(5))
def test_a_smoothed_mean_is_seen_and_one_without_its_own_rows_is_not(seed):
    odds, good, numbers = draws(seed, 30)
    smoothed = (good + 20 * 0.3) / (numbers + 20)
    assert rate_dispersion(smoothed, good, numbers).is_below_chance(MANY_QUESTIONS)
    other = np.random.default_rng(100 + seed).binomial(numbers.astype(int), odds) / numbers
    assert not rate_dispersion(other, good, numbers).is_below_chance(MANY_QUESTIONS)


@pytest.mark.parametrize("seed", range(5))
def test_the_true_mean_of_a_count_is_not_accused_and_the_count_is(seed):
    random = np.random.default_rng(seed)
    means = random.lognormal(3, 1, 600)
    counts = random.poisson(means).astype(float)
    assert not count_dispersion(means, counts).is_below_chance(MANY_QUESTIONS)
    assert not count_dispersion(random.permutation(counts), counts).is_below_chance(MANY_QUESTIONS)
    assert count_dispersion(counts, counts).is_below_chance(MANY_QUESTIONS)
    assert count_dispersion(np.log1p(counts), counts).is_below_chance(MANY_QUESTIONS)


def test_where_chance_is_held_down_nothing_is_said():
    quota = np.repeat([10.0, 11.0], 300)
    assert not count_dispersion(quota, quota).is_below_chance(MANY_QUESTIONS)


def test_the_rank_correlation_is_scipy_s():
    random = np.random.default_rng(0)
    a, b = random.integers(0, 9, 300).astype(float), random.normal(size=300)
    assert spearman(a, a + b) == pytest.approx(spearmanr(a, a + b)[0])
    assert spearman(a, np.ones(300)) == 0


def test_a_bound_holds_as_often_as_it_says():
    random = np.random.default_rng(0)
    truth = 0.5
    pairs = random.multivariate_normal([0, 0], [[1, truth], [truth, 1]], (400, 200))
    above = [lower_bound(np.corrcoef(pair.T)[0, 1], 200, 1.645) > truth for pair in pairs]
    assert 0.02 < np.mean(above) < 0.09


def test_a_key_says_nothing_of_itself():
    random = np.random.default_rng(0)
    values, targets = random.normal(size=80), random.normal(size=80)
    told = neighbours_say(values, targets, np.ones(80))
    targets[17] += 1e6
    changed = neighbours_say(values, targets, np.ones(80))
    assert told[17] == changed[17]
    assert (told != changed).any()
