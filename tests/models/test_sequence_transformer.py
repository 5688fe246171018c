"""The transformer: served as it was trained, resumable, and of use on order that is known."""

from __future__ import annotations

import importlib.util
import math
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.conformance import RetrievalModelConformance
from models.planted import interactions, users
from shortlist.models import sequence_fit
from shortlist.models.errors import ModelError
from shortlist.models.retrieval import Interactions, UserBatch
from shortlist.models.sequence_forward import SequenceForward
from shortlist.models.sequence_network import first_weights, full_softmax, hidden, sampled_softmax
from shortlist.models.sequence_stream import Histories
from shortlist.models.sequence_transformer import SequenceTransformer

SMALL = SequenceTransformer(
    width=16, feed_forward=32, history=12, batch_items=600, epochs=12, held_out_users=100, learning_rate=0.01
)


class TestSequenceTransformer(RetrievalModelConformance):
    model = SMALL
