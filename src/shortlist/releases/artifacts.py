"""What lies inside a release: every surface's fitted models, each in a folder of its own.

item_ids.npy, item_starts.npy            the ids of items 0..I-1, as the models number them
encoding.json                            how the rankers' features are made; absent without rankers
contents.json                            what lies where: for each surface, the kind and folder of each model
surfaces/<surface>/popularity/           the order of its fallback list
surfaces/<surface>/sources/<place>/      what a source's model became, by its place in the surface
surfaces/<surface>/rankers/<label>/      what predicts a label
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TypeVar

import msgspec

from shortlist.arrays import ArrayFileError
from shortlist.declare.app import App
from shortlist.features.encoders import Encoding
from shortlist.features.plan import make_plan
from shortlist.models.contract import FittedRanker
from shortlist.models.discovery import fitted_class
from shortlist.models.popularity import FittedPopularity
from shortlist.models.retrieval import FittedRetrieval
from shortlist.pipeline.artifacts import FunnelArtifacts
from shortlist.releases.errors import ReleaseCorrupted, ReleaseForeign
from shortlist.releases.item_ids import ItemIds

CONTENTS = "contents.json"

_MEND = "Train a release with this version of Shortlist, or restore it from a copy."
Fitted = TypeVar("Fitted", FittedRanker, FittedRetrieval)


class _Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    path: str


class _Surface(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    popularity: _Model
    sources: dict[int, _Model]
    rankers: dict[str, _Model]


class _Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    surfaces: dict[str, _Surface]
    is_encoded: bool


def save_contents(folder: Path, surfaces: Mapping[str, FunnelArtifacts]) -> None:
    """Write the artifacts of every surface into the folder of a `BundleWriter`.

    Args:
        folder: an existing folder.
        surfaces: by the surface's name; one or more, of one training run: they number the same items
            and share one encoding.
    """
    assert surfaces, "a release serves a surface or more"
    item_ids = list(next(iter(surfaces.values())).item_ids)
    encodings = [one.encoding for one in surfaces.values() if one.encoding is not None]
    assert all(list(one.item_ids) == item_ids for one in surfaces.values()), "one numbering of items"
    assert all(encoding is encodings[0] for encoding in encodings), "one encoding"
    assert all(one.encoding is not None or not one.rankers for one in surfaces.values()), (
        "rankers are encoded"
    )
    ItemIds.of(item_ids).save(folder)
    if encodings:
        encodings[0].save(folder)
    contents = {}
    for name, one in surfaces.items():
        base = f"surfaces/{name}"
        contents[name] = _Surface(
            _save(folder, f"{base}/popularity", one.popularity),
            {
                place: _save(folder, f"{base}/sources/{place}", one.retrieval[place])
                for place in one.retrieval
            },
            {label: _save(folder, f"{base}/rankers/{label}", one.rankers[label]) for label in one.rankers},
        )
    encoded = msgspec.json.encode(_Contents(contents, bool(encodings)))
    (folder / CONTENTS).write_bytes(msgspec.json.format(encoded, indent=1) + b"\n")


def load_contents(folder: Path, app: App) -> dict[str, FunnelArtifacts]:
    """Load what `save_contents` wrote, without any library that only training needs.

    Args:
        folder: of a release that `open_release` has checked.
        app: the declaration that will be served.

    Returns:
        The artifacts of each of the app's surfaces, by its name.

    Raises:
        ReleaseForeign: when a surface of the app is not in the release, or its features are others.
        ReleaseCorrupted: when a file is missing or damaged.
        ModelFileError: when a model's file is damaged, or of a kind that is not installed.
    """
    contents = _decode(folder / CONTENTS, _Contents)
    item_ids = _load_item_ids(folder)
    encoding = _load_encoding(folder, app) if contents.is_encoded else None
    if missing := sorted(app.surfaces.keys() - contents.surfaces.keys()):
        raise ReleaseForeign(
            folder / CONTENTS,
            expected=f"models for every surface of {app.name}",
            received=f"none for {', '.join(missing)}",
            mend="Train a release for this declaration.",
        )
    loaded = {}
    for name in app.surfaces:
        found = contents.surfaces[name]
        popularity = _load_retrieval(folder, found.popularity, len(item_ids))
        if not isinstance(popularity, FittedPopularity):
            raise _corrupted(folder / found.popularity.path, "a popularity", f"a {popularity.kind}")
        loaded[name] = FunnelArtifacts(
            item_ids,
            popularity,
            {place: _load_retrieval(folder, model, len(item_ids)) for place, model in found.sources.items()},
            {label: _load_ranker(folder, model, encoding) for label, model in found.rankers.items()},
            encoding,
        )
    return loaded


def _save(folder: Path, path: str, fitted: FittedRanker | FittedRetrieval) -> _Model:
    (folder / path).mkdir(parents=True)
    fitted.save(folder / path)
    return _Model(fitted.kind, path)


def _load(folder: Path, model: _Model, role: type[Fitted]) -> Fitted:
    inside = PurePosixPath(model.path)
    if inside.is_absolute() or ".." in inside.parts:
        raise _corrupted(folder / CONTENTS, "models inside the release", repr(model.path))
    found = fitted_class(model.kind)
    if not issubclass(found, role):
        raise _corrupted(folder / model.path, f"a {role.__name__}", f"a {model.kind}")
    return found.load(folder / model.path)


def _load_item_ids(folder: Path) -> ItemIds:
    try:
        return ItemIds.load(folder)
    except ArrayFileError as error:
        raise _corrupted(folder, "the ids of its items", error) from error


def _load_retrieval(folder: Path, model: _Model, num_items: int) -> FittedRetrieval:
    retrieval = _load(folder, model, FittedRetrieval)  # type: ignore[type-abstract]
    if retrieval.num_items != num_items:
        expected = f"a {model.kind} of {num_items} items, as {folder} has"
        raise _corrupted(folder / model.path, expected, f"one of {retrieval.num_items}")
    return retrieval


def _load_ranker(folder: Path, model: _Model, encoding: Encoding | None) -> FittedRanker:
    ranker = _load(folder, model, FittedRanker)  # type: ignore[type-abstract]
    names = tuple(column.name for column in ranker.columns)
    if encoding is None or names != encoding.names:
        raise _corrupted(folder / model.path, f"the columns of {folder / 'encoding.json'}", "others")
    return ranker


def _load_encoding(folder: Path, app: App) -> Encoding:
    path = folder / "encoding.json"
    try:
        encoding = Encoding.load(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _corrupted(path, "the encoding of the features", error) from error
    names = make_plan(app).names
    if list(encoding.names) != names:
        raise ReleaseForeign(
            path,
            expected=f"the {len(names)} features of {app.name}, in their order",
            received=f"{len(encoding.names)} others",
            mend="Train a release for this declaration.",
        )
    return encoding


T = TypeVar("T")


def _decode(path: Path, type_: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _corrupted(path, "what Shortlist wrote", error) from error


def _corrupted(path: Path, expected: str, received: object) -> ReleaseCorrupted:
    return ReleaseCorrupted(path, expected=expected, received=received, mend=_MEND)
