"""What may go wrong with a model: its settings, its input, its file."""

from __future__ import annotations


class ModelError(ValueError):
    """A setting, or an input, that a model cannot honour."""


class ModelFileError(ModelError):
    """A saved model that is damaged, foreign, or of an unknown kind; it is refused, never guessed at."""


def require(holds: bool, thing: str, *, expected: str, received: object) -> None:
    """Raise a `ModelError` that names the thing, what was expected and what came, unless `holds`."""
    if not holds:
        raise ModelError(f"{thing}: expected {expected}, received {received!r}.")
