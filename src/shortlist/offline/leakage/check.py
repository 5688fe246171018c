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
from shortlist.offline.leakage.power import FEW
from shortlist.offline.leakage.suspects import Suspect
from shortlist.offline.negatives import sampled_trials
from shortlist.offline.progress import Progress, Steps
from shortlist.offline.trials import shown_trials

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
        What was found, one finding a column; and which columns could not be asked.

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
        tried, shown = _evidence(history, log, seed)
    found: dict[str, Finding] = {}
    asked: list[str] = []
    not_asked: list[str] = []
    with steps.step("ask each column") as report:
        for number, suspect in enumerate(tried.suspects):
            report(number, len(tried.suspects))
            finding, is_asked = None, True
            if any(part in found for part in suspect.parts):
                pass  # its part is named already, with the features that read it
            elif not suspect.reads_context:
                finding = _ask(tried, suspect)
            elif shown is None:
                is_asked = False
            else:
                finding = _ask(shown, shown.suspects[number])
                is_asked = finding is not None or shown.can_judge_context or suspect.type == "time"
            (asked if is_asked else not_asked).append(suspect.name)
            if finding is not None:
                found[suspect.name] = finding
    with steps.step("ask what is folded"):
        if shown is not None:
            found |= {one.column: one for one in of_requests.folded_from_its_own_outcome(shown)}
    return LeakageReport(
        tuple(found.values()),
        tuple(asked),
        tuple(not_asked),
        sum(len(one.trials) for one in {tried, shown} if one is not None),
        sum(len(one.times_us) for one in tried.happenings),
        tried.trials.sampling,
    )


def _evidence(history: History, log: EventLog, seed: int) -> tuple[Evidence, Evidence | None]:
    """Collect what attributes are held against, and what fields of requests are.

    Many impressions serve both. A few would leave out most users and items: attributes are then held against
    lists that are drawn from all. Those were not shown, so that they have no context: fields of requests are
    held against the few, or, where none could tell, against nothing.
    """
    labels = list(history.app.labels.values())
    num_shown = 0 if history.impressions is None else len(history.impressions)
    shown = Evidence(history, shown_trials(history, labels)) if num_shown >= 2 * FEW else None
    if shown is not None and num_shown >= _ENOUGH_IMPRESSIONS:
        return shown, shown
    return Evidence(history, sampled_trials(history, log, labels, max_lists=_MOST_LISTS, seed=seed)), shown


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
