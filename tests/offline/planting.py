"""The video recipe with more columns than it declares: leaks to be found, and others that are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from shortlist import recipes
from shortlist.log import HistorySource

DECLARATION = (Path(recipes.__file__).parent / "video" / "app.py").read_text()

Columns = Mapping[str, np.ndarray]


def declare(folder: Path, context: Columns, user: Columns, video: Columns) -> Path:
    """Write the recipe with more columns, each read as a feature."""

    def fields(columns: Columns) -> str:
        types = {name: "str" if values.dtype == object else "float" for name, values in columns.items()}
        return ", ".join(f"{name}={type_}" for name, type_ in types.items())

    text = DECLARATION.replace(
        '\nuser = app.entity("user",', f'\ncontext = app.context({fields(context)})\n'
        f'user = app.entity("user", {fields(user)},'
    ).replace('"video", creator', f'"video", {fields(video)}, creator')  # fmt: skip
    by_kind = {"context": context, "user": user, "video": video}
    read = [f"{of}.{name}" for of, some in by_kind.items() for name in some]
    path = folder / "app.py"
    path.write_text(f"{text}\napp.features({', '.join(read)})\n")
    return path


def planted(sources: list[HistorySource], by_kind: Mapping[str, Columns]) -> list[HistorySource]:
    return [
        replace(
            source,
            source=dict(source.source) | dict(by_kind.get(source.kind, {})),
            fields=dict(source.fields) | {name: name for name in by_kind.get(source.kind, {})},
        )
        for source in sources
    ]
