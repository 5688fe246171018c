"""MovieLens-1M, leave-one-out: the causal transformer against all items, beside published figures.

    SHORTLIST_DATA=folder python benchmarks/movielens_sequence.py [checkpoint.npz]

Each user's last item is to be found and the one before it is held back from training, though not from the
history. Candidates are all items but those of the user's training interactions. The model has its defaults;
they were chosen on the validation items. With a file for checkpoints, a run that was cut off goes on.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.progress import Progress, TimeElapsedColumn
from rich.table import Table

from shortlist.models.retrieval import FittedRetrieval
from shortlist.models.sequence_transformer import SequenceTransformer
from shortlist.offline.evaluation.cases import Cases
from shortlist.offline.evaluation.catalogue import judge
from shortlist.offline.evaluation.named_interactions import NamedInteractions
from shortlist.offline.evaluation.protocols import leave_one_out

FOLDER = Path(os.environ.get("SHORTLIST_DATA", Path(__file__).parents[2] / "shared" / "data")) / "ml-1m"
PUBLISHED = {  # HR@10, NDCG@10
    "SASRec, binary cross-entropy": (0.2392, 0.1259),
    "gSASRec": (0.3003, 0.1726),
    "SASRec, full softmax": (0.3152, 0.1821),
    "HSTU-large (own preparation of the data)": (0.3294, 0.1893),
}
_NUM_REQUESTS = 500

console = Console(width=120)


def main(checkpoint: Path | None) -> None:
    users, items = np.loadtxt(FOLDER / "ml-1m_sas.txt", dtype=np.int64).T
    data = NamedInteractions.from_events(users, items, np.arange(len(users)))
    holdout = leave_one_out(data.interactions)
    model = SequenceTransformer()
    console.print(model, style="dim")
    started_s, started_cpu_s = time.perf_counter(), time.process_time()
    with Progress(*Progress.get_default_columns(), TimeElapsedColumn(), console=console) as bar:
        task = bar.add_task("fitting")
        fitted = model.fit(
            holdout.train,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
            checkpoint=checkpoint,
        )
    minutes, cpu_s = (time.perf_counter() - started_s) / 60, time.process_time() - started_cpu_s
    score = judge(fitted, holdout.cases)
    table = Table(box=box.SIMPLE_HEAD, title="MovieLens-1M, leave-one-out", title_justify="left")
    for name in ("model", "HR@10 (95 % over users)", "NDCG@10 (95 % over users)"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for name, figures in PUBLISHED.items():
        table.add_row(name, *(f"{one:.4f}" for one in figures))
    intervals = (score.interval(metric) for metric in ("HR", "NDCG"))
    shown = (f"{one.value:.4f} ({one.low:.4f} to {one.high:.4f})" for one in intervals)
    table.add_row("SequenceTransformer", *shown, style="bold")
    console.print(table)
    num_cores = len(os.sched_getaffinity(0))
    console.print(f"Fit: {minutes:.1f} minutes on {num_cores} cores, {cpu_s:.0f} CPU seconds.")
    console.print(f"One request, {holdout.cases.num_items:,} items: {request_ms(fitted, holdout.cases)}.")


def request_ms(fitted: FittedRetrieval, cases: Cases) -> str:
    """Time the retrieval of 100 items, one user after another."""
    times_ms = []
    for case in range(_NUM_REQUESTS):
        user = cases.batch(case, case + 1)
        started_s = time.perf_counter()
        fitted.retrieve(user, 100)
        times_ms.append(1000 * (time.perf_counter() - started_s))
    median_ms, p99_ms = np.percentile(times_ms, [50, 99])
    return f"median {median_ms:.2f} ms, p99 {p99_ms:.2f} ms"


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
