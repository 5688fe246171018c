"""The card says what the manifest says, and nothing that would change the release's id."""

from __future__ import annotations

from releases.sample import metadata, publish
from shortlist.releases.model_card import render_card


def test_the_card_of_a_release(registry):
    release = registry.open(publish(registry, seed=1))
    card = release.path("card.md").read_text()
    files = {name: entry for name, entry in release.manifest.files.items() if name != "card.md"}
    assert card == render_card(release.metadata, files)
    assert release.id not in card
    for line in (
        "# video",
        "123,456 examples from 2023-11-14T22:13:20+00:00 to 2023-11-21T20:53:20+00:00.",
        "| model | auc | gauc |",
        "| `logistic` | 0.7100 |  |",
        "| `boosted_trees` | 0.7200 | 0.6400 |",
        "`home`, p99 under 50 ms:",
        "3. `BoostedTrees()`",
        "| `count(watch, by=user, 1h)` | number |",
        "| `ranker/weights.npy` | 384 |",
    ):
        assert line in card.splitlines()


def test_a_bar_in_a_name_does_not_break_a_table():
    card = render_card(metadata(metrics={"a|b": {"auc": 1.0}}, features=()), {})
    assert "| `a\\|b` | 1.0000 |" in card
    assert "## Features\n\nNone." in card
