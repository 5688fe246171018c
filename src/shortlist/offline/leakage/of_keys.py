"""Questions to a column that is fixed for a user or an item: does it know what was to come of that key?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.features.values import Values
from shortlist.offline.leakage.chance import Dispersion, count_dispersion, rate_dispersion
from shortlist.offline.leakage.evidence import Evidence
from shortlist.offline.leakage.finding import Finding
from shortlist.offline.leakage.foreknowledge import (
    counts_foreknown,
    follows_counts,
    follows_rate,
    rate_foreknown,
)
from shortlist.offline.leakage.last_event import MORE_OFTEN, last_word
from shortlist.offline.leakage.observations import counts
from shortlist.offline.leakage.suspects import Fixed, Suspect

_MEND_TARGET = "Declare sl.rate(label, by=..., prior=20) instead: it is computed up to each request."
_MEND_TOTAL = (
    "Leave it out and declare sl.count or sl.rate; or import its past values as updates, each with the "
    "moment at which it was true."
)
_MEND_LATER = "Import every change as an update with its own time; or fold it from the events themselves."


def below_chance(evidence: Evidence, suspect: Suspect, fixed: Fixed) -> Finding | None:
    """Tell whether a column repeats the chance in its key's own outcomes or in their number."""
    best: tuple[Dispersion, str, bool] | None = None
    for observed in evidence.outcomes:
        if fixed.entity in observed.codes:
            codes = observed.codes[fixed.entity]
            after = observed.times_us >= fixed.since_us[codes]
            size = len(fixed.values)
            numbers = np.bincount(codes[after], minlength=size).astype(np.float64)
            good = np.bincount(codes[after], observed.positive[after], size).astype(np.float64)
            best = _lower(best, rate_dispersion(fixed.values, good, numbers), observed.what, True, evidence)
            if not suspect.texts:
                found = count_dispersion(fixed.values, good)
                best = _lower(best, found, f"positive ({observed.what})", False, evidence)
    if not suspect.texts:
        for happened in evidence.happenings:
            number = counts(happened, fixed.entity, fixed.since_us)
            if number is not None:
                found = count_dispersion(fixed.values, number)
                best = _lower(best, found, happened.what, False, evidence)
    if best is None:
        return None
    given, what, is_rate = best
    figures = {
        "variance over chance": given.ratio, "without it": given.plain, f"{fixed.entity}s": given.num_keys
    }  # fmt: skip
    of = f"rate of {what} of a {fixed.entity}" if is_rate else f"number of {what} events of a {fixed.entity}"
    reason = (
        f"given it, the {of} varies {given.ratio:.2f} times as much as chance alone would make it; nothing "
        "that was known before goes below 1, so it was computed from these very rows"
    )
    kind = "target statistic with its own row" if is_rate else "total of the whole period"
    mend = _MEND_TARGET if is_rate else _MEND_TOTAL
    return Finding(suspect.name, suspect.features, kind, reason, figures, mend)  # type: ignore[arg-type]


def foreknown(evidence: Evidence, suspect: Suspect, fixed: Fixed) -> Finding | None:
    """Tell whether a number that stood beside keys without a past knows how they would fare."""
    if suspect.type not in ("int", "float"):
        return None
    found = []
    for happened in evidence.happenings:
        known = follows_counts(fixed, happened, evidence.width)
        if known is not None and counts_foreknown(known, fixed):
            found.append((known, f"the number of {known.what} events"))
    for observed in evidence.outcomes:
        known = follows_rate(fixed, observed, evidence.width)
        if known is not None and rate_foreknown(known):
            found.append((known, f"the rate of {known.what}"))
    if not found:
        return None
    known, what = max(found, key=lambda pair: pair[0].low)
    return Finding(
        suspect.name,
        suspect.features,
        "total of the whole period",
        f"it never changes and is there before the first event of each {fixed.entity}, and yet follows "
        f"{what} that came after, in the later half as in the earlier (rank correlation "
        f"{known.correlation:.2f})",
        {
            "correlation": known.correlation, "earlier half": known.early, "later half": known.late,
            f"{fixed.entity}s": known.num_keys,
        },
        _MEND_TOTAL,
    )  # fmt: skip


def says_the_last_word(evidence: Evidence, suspect: Suspect, fixed: Fixed) -> Finding | None:
    """Tell whether a column is what its key's last event brought."""
    for happened in evidence.happenings:
        if not {evidence.user, evidence.item} <= set(happened.codes):
            continue
        brought = evidence.brought(happened, fixed.entity)
        for what, values in brought.values.items():
            told = _in_terms_of(suspect, fixed, values)
            if told is None:
                continue
            word = last_word(fixed, brought.codes, values.number(), told)
            if word is None or word.last - word.before < MORE_OFTEN or word.z < evidence.width:
                continue
            return Finding(
                suspect.name,
                suspect.features,
                "changed after the request",
                f"it is there before the first event of each {fixed.entity}, and yet equals the {what} of "
                f"the last {happened.what} ({word.last:.0%}) more often than of those before it "
                f"({word.before:.0%}): it was read at the end",
                {"equal to the last": word.last, "to those before": word.before,
                 f"{fixed.entity}s": word.num_keys},
                _MEND_LATER,
            )  # fmt: skip
    return None


def later_than_the_request(evidence: Evidence, suspect: Suspect) -> Finding | None:
    """Tell whether a moment lies after the request that is said to have known it."""
    if suspect.type != "time":
        return None
    known = np.isfinite(suspect.numbers)
    later = known & (suspect.numbers > evidence.trials.requests.times_us)
    share = float(later.sum() / max(known.sum(), 1))
    if later.sum() < 20 or share < 0.005:
        return None
    days = float(np.median((suspect.numbers - evidence.trials.requests.times_us)[later])) / 86_400e6
    return Finding(
        suspect.name,
        suspect.features,
        "changed after the request",
        f"in {share:.1%} of the trials that know it, it lies after the request (by {days:.1f} days in the "
        "middle): it was not known by then",
        {"share of trials": share, "trials": float(later.sum()), "days, median": days},
        _MEND_LATER,
    )


def _lower(
    best: tuple[Dispersion, str, bool] | None,
    found: Dispersion | None,
    what: str,
    is_rate: bool,
    evidence: Evidence,
) -> tuple[Dispersion, str, bool] | None:
    if found is None or not found.is_below_chance(evidence.num_questions):
        return best
    return (found, what, is_rate) if best is None or found.ratio < best[0].ratio else best


def _in_terms_of(suspect: Suspect, fixed: Fixed, brought: Values) -> NDArray[np.float64] | None:
    """Return a column's values as `brought` would write them; None where they are of another kind."""
    if suspect.type != "str" or brought.type != "str":
        both_numbers = {suspect.type, brought.type} <= {"int", "float"}
        return fixed.values if both_numbers else None
    assert brought.vocabulary is not None
    codes = brought.vocabulary.codes(suspect.texts)
    used = np.isfinite(fixed.values)
    told = np.full(len(fixed.values), np.nan)
    told[used] = codes[fixed.values[used].astype(np.int64)]
    told[told < 0] = np.nan
    return told if np.isfinite(told).sum() >= used.sum() / 2 else None
