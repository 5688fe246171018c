"""Let a failing check in a shared file show its values, as a test file's own asserts do."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("pipeline.workshop", "pipeline.misbehaving")
