"""Questions to a column that changes from request to request: does it know what this very request led to?

Shape legend: N trials.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shortlist.offline.leakage import echo
from shortlist.offline.leakage.evidence import Evidence
from shortlist.offline.leakage.finding import Finding
from shortlist.offline.leakage.power import (
    ABOVE_THE_LOG,
    AT_LEAST,
    FOLDED_NEARLY_SURE,
    NEARLY_SURE,
    power,
)
from shortlist.offline.leakage.suspects import Suspect

_MEND_COPY = (
    "Leave it out, or fill it only with what the request itself brought. To learn from what happens "
    "afterwards, log it as a field of the event and aggregate that, as in sl.mean(watch.watch_s, ...)."
)
_MEND_OWN_ROW = (
    "Declare sl.rate or sl.mean instead: they are computed up to the request, its own outcome left out."
)
_ECHO_TELLS = 0.7
_FADES = 0.04


def derived_from_label(evidence: Evidence, suspect: Suspect) -> Finding | None:
    """Tell whether a column repeats the outcome, or tells it better than could be known by then."""
    is_fixed = suspect.name in evidence.fixed
    for label in map(str, evidence.labels):
        rows = evidence.settled(label)
        told = power(
            suspect.numbers[rows], evidence.positive(label, rows), evidence.groups(suspect)[rows],
            evidence.width,
        )  # fmt: skip
        if told is None or told.value < _ECHO_TELLS:
            continue
        figures = {f"AUC on {label}": told.value, "rows": told.num_rows}
        if not is_fixed and (echoed := _echo(evidence, suspect)) is not None:
            field, correlation = echoed
            reason = (
                f"it repeats {field} of the event that the request led to (rank correlation "
                f"{correlation:.2f}), and so tells {label}: AUC {told.value:.3f}"
            )
            return _finding(suspect, reason, figures | {f"correlation with {field}": correlation})
        if told.low >= NEARLY_SURE or (told.value >= NEARLY_SURE and not is_fixed):
            reason = f"alone it tells {label} almost surely: AUC {told.value:.3f} out of fold"
            return _finding(suspect, reason, figures)
        if is_fixed or told.low < AT_LEAST:
            continue
        known = evidence.log_power(label)
        if told.low > known + ABOVE_THE_LOG:
            reason = (
                f"alone it tells {label} with AUC {told.value:.3f} out of fold, far above the {known:.3f} of "
                "a model of all features that the log itself gives"
            )
            return _finding(suspect, reason, figures | {"AUC of the log's features": known})
    return None


def own_first_row(evidence: Evidence, suspect: Suspect) -> Finding | None:
    """Tell whether a column knows the outcome of the first trial of a key, which no statistic can."""
    if suspect.name in evidence.fixed:
        return None
    requests = evidence.trials.requests
    for label in map(str, evidence.labels):
        settled = np.flatnonzero(evidence.trials.known_us[label] <= evidence.history.last_log_time_us)
        for entity, codes in ((evidence.item, requests.items), (evidence.user, requests.users)):
            rows = np.intersect1d(_first_rows(codes), settled)
            told = power(suspect.numbers[rows], evidence.positive(label, rows), codes[rows], evidence.width)
            if told is None or told.low <= AT_LEAST or told.value <= NEARLY_SURE:
                continue
            others = np.setdiff1d(evidence.settled(label), rows)
            later = power(suspect.numbers[others], evidence.positive(label, others), codes[others], 0.0)
            # A copy of the label tells the later trials as well; a mean drowns their outcome in others.
            if later is None or told.value - later.value > _FADES:
                return Finding(
                    suspect.name,
                    suspect.features,
                    "target statistic with its own row",
                    f"on the first trial of each {entity}, where no earlier one exists, it tells {label} "
                    f"with AUC {told.value:.3f}: the statistic counts the very row it stands in",
                    {
                        f"AUC on {label}, first rows": told.value, "rows": told.num_rows,
                        "AUC on later rows": later.value if later is not None else float("nan"),
                    },
                    _MEND_OWN_ROW,
                )  # fmt: skip
    return None


def folded_from_its_own_outcome(evidence: Evidence) -> list[Finding]:
    """Find features folded from events that lie before the impression they belong to."""
    found: dict[str, Finding] = {}
    for label in map(str, evidence.labels):
        rows, features, columns = evidence.folded
        settled = evidence.trials.known_us[label][rows] <= evidence.history.last_log_time_us
        users = evidence.trials.requests.users[rows[settled]]
        labels = evidence.positive(label, rows[settled])
        for place, column in enumerate(columns):
            told = power(features[settled, place].astype(np.float64), labels, users, evidence.width)
            if told is not None and told.value >= FOLDED_NEARLY_SURE and column.name not in found:
                found[column.name] = Finding(
                    column.name,
                    (column.name,),
                    "derived from the label",
                    f"alone it tells {label} almost surely: AUC {told.value:.3f}. It is folded from the log, "
                    "so what the request led to must be logged before the request",
                    {f"AUC on {label}": told.value, "rows": told.num_rows},
                    "Import outcomes with the moment at which they happened, after their impression.",
                )
    return list(found.values())


def _echo(evidence: Evidence, suspect: Suspect) -> tuple[str, float] | None:
    if suspect.type not in ("int", "float"):
        return None
    for happened, rows in evidence.followed:
        loudest = echo.loudest_echo(suspect.numbers, rows, happened, evidence.width)
        if loudest is not None and loudest[2] > echo.SUSPICIOUS:
            return loudest[0], loudest[1]
    return None


def _finding(suspect: Suspect, reason: str, figures: dict[str, float]) -> Finding:
    return Finding(suspect.name, suspect.features, "derived from the label", reason, figures, _MEND_COPY)


def _first_rows(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    first: NDArray[np.int64] = np.unique(codes, return_index=True)[1]
    return first
