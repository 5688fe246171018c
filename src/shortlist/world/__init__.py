"""A simulated short-video platform with known truth, so that a machine without data can run every loop."""

from __future__ import annotations

from shortlist.world.behaviour import Behaviour, Reactions
from shortlist.world.config import WorldConfig, WorldError
from shortlist.world.history import History
from shortlist.world.platform import World

__all__ = ["Behaviour", "History", "Reactions", "World", "WorldConfig", "WorldError"]
