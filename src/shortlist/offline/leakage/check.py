"""Asks every column that may know the future, and says which does, how it was seen, and what mends it.

A feature that is folded from the log is computed up to the request, so that its definition cannot leak. What
is brought in with the history can: attributes, and fields of a request's context. The questions are those of
Kaufman, Rosset, Perlich and Stitelman, "Leakage in Data Mining: Formulation, Detection, and Avoidance", TKDD
2012, made into tests: is it too good to be true (`power`, `echo`); does it repeat the chance of what it
should only foretell (`chance`); does it know of keys that had no past (`foreknowledge`, `last_event`).
"""

from __future__ import annotations

from shortlist.declare.app import App
from shortlist.features.offline import History
from shortlist.log.protocol import EventLog
from shortlist.offline.errors import OfflineError
from shortlist.offline.leakage import of_keys, of_requests
from shortlist.offline.leakage.evidence import Evidence
from shortlist.offline.leakage.finding import Finding, LeakageReport
from shortlist.offline.leakage.suspects import Suspect
from shortlist.offline.negatives import sampled_trials
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.trials import Trials, shown_trials

_ENOUGH_IMPRESSIONS = 1_000
_MOST_LISTS = 20_000


def check_leakage(
    app: App, log: EventLog, *, progress: Progress | None = None, upto_seq: int | None = None, seed: int = 0
) -> LeakageReport:
    """Look for features that know the future; nothing is written.

    Args:
        app: the declaration.
        log: where it is read from.
        progress: told of every step.
        upto_seq: the last log position to read; by default all.
        seed: of the negatives that are drawn for a log without impressions.

    Returns:
        What was found, one finding a column.

    Raises:
        OfflineError: when the app declares no label, or the log holds nothing to learn from.
    """
    steps = Steps(progress)
    if not app.labels:
        raise OfflineError(
            f"app {app.name}",
            expected="a label: what a leak would give away",
            received="none",
            mend='Declare one: app.label("engaged", watch.watch_s > 30, within="30m").',
        )
    with steps.step("read the log") as report:
        history = History.read(app, log, upto_seq, report)
    if history.last_seq == 0:
        raise OfflineError(
            "log",
            expected="events to look at",
            received="an empty log",
            mend="Import history (`shortlist import`) or simulate some (`shortlist world`).",
        )
    with steps.step("collect trials"):
        trials = _trials(history, log, seed)
        evidence = Evidence(history, trials)
    found: dict[str, Finding] = {}
    with steps.step("ask each column") as report:
        for number, suspect in enumerate(evidence.suspects):
            report(number, len(evidence.suspects))
            if any(part in found for part in suspect.parts):
                continue  # its part is named already, with the features that read it
            if (finding := _ask(evidence, suspect)) is not None:
                found[suspect.name] = finding
    with steps.step("ask what is folded"):
        found |= {one.column: one for one in of_requests.folded_from_its_own_outcome(evidence)}
    return LeakageReport(
        tuple(found.values()),
        tuple(one.name for one in evidence.suspects),
        len(trials),
        sum(len(one.times_us) for one in evidence.happenings),
        trials.sampling,
    )


def _trials(history: History, log: EventLog, seed: int) -> Trials:
    """Take the impressions where there are some: what was drawn was not shown, and has no context."""
    labels = list(history.app.labels.values())
    shown = history.impressions
    if shown is not None and len(shown) >= _ENOUGH_IMPRESSIONS:
        return shown_trials(history, labels)
    return sampled_trials(history, log, labels, max_lists=_MOST_LISTS, seed=seed)


def _ask(evidence: Evidence, suspect: Suspect) -> Finding | None:
    """Ask the questions in the order of how little doubt an answer leaves."""
    if (finding := of_keys.later_than_the_request(evidence, suspect)) is not None or suspect.type == "time":
        return finding
    fixed = evidence.fixed.get(suspect.name)
    if fixed is not None and (finding := of_keys.below_chance(evidence, suspect, fixed)) is not None:
        return finding
    if fixed is None and (finding := of_requests.own_first_row(evidence, suspect)) is not None:
        return finding
    if (finding := of_requests.derived_from_label(evidence, suspect)) is not None or fixed is None:
        return finding
    if (finding := of_keys.says_the_last_word(evidence, suspect, fixed)) is not None:
        return finding
    return of_keys.foreknown(evidence, suspect, fixed)
