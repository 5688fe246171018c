"""The transformer's network: what serves is what was trained; the losses equal plain formulas; it learns."""

from __future__ import annotations

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from shortlist.models.retrieval import Interactions, UserBatch
from shortlist.models.sequence import network as sequence_network
from shortlist.models.sequence.forward import SequenceForward
from shortlist.models.sequence.network import first_weights, full_softmax, hidden, sampled_softmax
from shortlist.models.sequence_transformer import SequenceTransformer

SMALL = SequenceTransformer(
    width=16,
    num_heads=2,
    feed_forward=32,
    history=12,
    batch_items=600,
    epochs=20,
    held_out_users=100,
    learning_rate=0.01,
)


def weights_of(model: SequenceTransformer, num_items: int, seed: int) -> dict[str, np.ndarray]:
    """Weights of which none is zero, so that each one counts."""
    rng = np.random.default_rng(seed)
    first = first_weights(seed, rng.random(num_items) * 50, **model.sizes)
    return {
        name: (array + 0.2 * rng.standard_normal(array.shape)).astype(np.float32)
        for name, array in first.items()
    }


@pytest.mark.parametrize("num_blocks", [1, 2, 3])
def test_numpy_and_jax_agree(num_blocks: int) -> None:
    """In training two users share a row, and neither sees the other."""
    model = replace(SMALL, num_blocks=num_blocks)
    weights = weights_of(model, 50, seed=3)
    items = np.random.default_rng(4).integers(0, 50, 12).astype(np.int32)
    segments = np.repeat([0, 1], [5, 7]).astype(np.int32)
    trained = np.asarray(hidden(weights, items[None], segments[None], 0.0, None))[0]
    forward = SequenceForward(weights)
    for first, last in [(0, 1), (0, 3), (0, 5), (5, 6), (5, 12)]:
        np.testing.assert_allclose(forward.user_vector(items[first:last]), trained[last - 1], atol=1e-4)


def plain_loss(hidden_PD, items_ID, bias_I, targets_P, weights_P):
    logits = hidden_PD @ items_ID.T + bias_I
    return jnp.sum(
        (jax.nn.logsumexp(logits, axis=1) - logits[jnp.arange(len(targets_P)), targets_P]) * weights_P
    )


def test_the_full_softmax_has_the_loss_and_the_slope_of_the_plain_one(monkeypatch) -> None:
    monkeypatch.setattr(sequence_network, "_LOGITS_AT_ONCE", 100)  # many parts, the last of them not full
    rng = np.random.default_rng(1)
    arguments = (rng.standard_normal((23, 4)), rng.standard_normal((30, 4)), rng.standard_normal(30))
    arguments = tuple(array.astype(np.float32) for array in arguments)
    rest = rng.integers(0, 30, 23), rng.random(23).astype(np.float32)
    for mine, plain in zip(
        jax.tree.leaves(jax.value_and_grad(full_softmax, (0, 1, 2))(*arguments, *rest)),
        jax.tree.leaves(jax.value_and_grad(plain_loss, (0, 1, 2))(*arguments, *rest)),
        strict=True,
    ):
        np.testing.assert_allclose(mine, plain, rtol=1e-4, atol=1e-5)


def test_the_sampled_softmax_comes_near_the_full_one() -> None:
    """With an unbiased sample the loss approaches that of the catalogue, and without its correction not."""
    rng = np.random.default_rng(2)
    num_items, num_sampled = 40, 20_000
    chances = rng.random(num_items) ** 3
    chances /= chances.sum()
    sampled = rng.choice(num_items, num_sampled, p=chances)
    log_expected = np.log(num_sampled * chances).astype(np.float32)
    hidden_PD, items_ID = (rng.standard_normal((size, 4)).astype(np.float32) for size in (9, num_items))
    bias = rng.standard_normal(num_items).astype(np.float32)
    targets, weights = rng.integers(0, num_items, 9), np.ones(9, np.float32)
    whole = plain_loss(hidden_PD, items_ID, bias, targets, weights)
    corrected = sampled_softmax(hidden_PD, items_ID, bias, targets, weights, sampled, log_expected)
    np.testing.assert_allclose(corrected, whole, rtol=0.02)


def walk(num_users: int, num_items: int, num_events: int, seed: int) -> Interactions:
    """Everyone goes from an item to the one seven further on, but for one visit in ten."""
    rng = np.random.default_rng(seed)
    users_N = rng.integers(0, num_users, num_events)
    last = rng.integers(0, num_items, num_users)
    items_N = np.empty(num_events, np.int32)
    for event, user in enumerate(users_N):
        last[user] = rng.integers(num_items) if rng.random() < 0.1 else (last[user] + 7) % num_items
        items_N[event] = last[user]
    return Interactions(
        users_N.astype(np.int32), items_N, np.arange(num_events), np.ones(num_events, np.float32),
        num_users, num_items,
    )  # fmt: skip


@pytest.mark.parametrize("full_softmax_items", [1000, 0])
def test_it_learns_what_follows(full_softmax_items: int) -> None:
    """With either loss; items 40 to 49 are those that nobody had. Short walks come back to no item."""
    log = replace(walk(800, 40, 6000, seed=1), num_items=50)
    fitted = replace(SMALL, full_softmax_items=full_softmax_items, num_sampled=20).fit(log)
    last = walk(100, 40, 1000, seed=2)
    histories = [last.items[last.users == user][::-1][:5] for user in range(100)]
    histories = np.array([history for history in histories if len(history) == 5], np.int32)
    assert len(histories) > 80
    scores = fitted.scores(UserBatch(histories))
    assert (scores.argmax(axis=1) == (histories[:, 0] + 7) % 40).mean() > 0.9
    assert np.isfinite(scores).all()
    assert scores[:, 40:].mean() < scores[:, :40].mean()
