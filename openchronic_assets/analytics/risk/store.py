"""Models on disk: scikit-learn objects without pickle, a manifest with the data they come from.

``skops`` writes the state of the objects and no code; what it may build again is the list below.
A pickle would run whatever it holds for whoever opens it, and these files travel between homes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import skops.io

from openchronic_assets.analytics.risk.models import Model
from openchronic_assets.analytics.risk.study import Study
from openchronic_assets.errors import OpenChronicError, Refused, UsageError
from openchronic_assets.settings import Home

TRUSTED = frozenset(
    (
        "openchronic_assets.analytics.risk.models.AgeSexTable",
        "openchronic_assets.analytics.risk.models._Log",
        "scipy._lib.array_api_compat.numpy._aliases.asarray",
        "scipy.interpolate._bsplines.BSpline",
        "scipy.interpolate._interpolate.interp1d",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.model_selection._split.StratifiedKFold",
        "sklearn.tree._tree.Tree",
        "numpy.dtype",
    )
)
MANIFEST = "manifest.json"


def folder(home: Home, kind: str) -> Path:
    """Return where the models of a kind of study are."""
    return home.analytics / "risk" / kind


def identity(study: Study, build_id: str, extra: dict[str, str]) -> str:
    """Return the name of a model: the same data and design have the same one."""
    text = json.dumps([asdict(study), build_id, extra], sort_keys=True, default=str)
    return f"{build_id}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def dumps(model: Model) -> bytes:
    """Return a model as bytes.

    Raises:
        OpenChronicError: it holds a type that may not be loaded again.
    """
    document = {
        "rung": model.rung,
        "columns": list(model.columns),
        "encoder": model.encoder,
        "classifier": model.classifier,
        "calibrator": model.calibrator,
    }
    data: bytes = skops.io.dumps(document)
    unknown = set(skops.io.get_untrusted_types(data=data)) - TRUSTED
    if unknown:
        raise OpenChronicError(f"a model holds types that are not kept: {', '.join(unknown)}")
    return data


def loads(data: bytes, origin: str) -> Model:
    """Return a model from its bytes.

    Raises:
        Refused: the bytes ask for a type that is not on the list.
        OpenChronicError: they are no model.
    """
    try:
        asked = set(skops.io.get_untrusted_types(data=data))
    except Exception as error:
        raise OpenChronicError(f"{origin} is not a model of ours; train it again") from error
    if asked - TRUSTED:
        raise Refused(
            f"{origin} asks for {', '.join(sorted(asked - TRUSTED))}, which no model of ours "
            "holds: it was not opened"
        )
    found = skops.io.loads(data, trusted=sorted(asked))
    return Model(
        found["rung"], tuple(found["columns"]), found["encoder"], found["classifier"],
        found["calibrator"],
    )  # fmt: skip


def save(
    home: Home,
    kind: str,
    name: str,
    models: dict[str, Model],
    manifest: dict[str, Any],
    texts: dict[str, str],
) -> Path:
    """Write the models of a study, their manifest and texts, whole or not at all."""
    place = folder(home, kind)
    place.mkdir(mode=0o750, parents=True, exist_ok=True)
    aside = place / f".{name}.{os.getpid()}"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o750)
    try:
        files = {f"{outcome}.skops": dumps(model) for outcome, model in models.items()}
        document = manifest | {
            "files": {file: hashlib.sha256(data).hexdigest() for file, data in files.items()}
        }
        told = {file: text.encode() for file, text in texts.items()}
        told[MANIFEST] = _json(document)
        for file, data in (files | told).items():
            (aside / file).write_bytes(data)
            (aside / file).chmod(0o640)
        target = place / name
        old = place / f".{name}.{os.getpid()}.old"
        if target.exists():
            # Scores of the model stay with it.
            for path in target.glob("scores-*.parquet"):
                shutil.copy2(path, aside / path.name)
            target.rename(old)
        aside.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise OpenChronicError(f"the model cannot be kept in {place}: {error.strerror}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    pointer = place / f".current.{os.getpid()}"
    pointer.write_bytes(_json({"model": name}))
    pointer.replace(place / "current.json")
    return target


def _json(document: Any) -> bytes:
    text = json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True, default=str)
    return (text + "\n").encode()


def current(home: Home, kind: str, name: str | None = None) -> Path:
    """Return the folder of a model, the last trained without a name.

    Raises:
        UsageError: there is none.
    """
    place = folder(home, kind)
    pointer = place / "current.json"
    if name is None and pointer.is_file():
        name = json.loads(pointer.read_text(encoding="utf-8"))["model"]
    if name is None or Path(name).name != name or not (place / name / MANIFEST).is_file():
        raise UsageError(
            f"no model {name or ''} of {kind} in {place}: openchronic risk-model train {kind}"
        )
    return place / name


def load(place: Path) -> tuple[dict[str, Model], dict[str, Any]]:
    """Return the models of a folder by outcome, and their manifest.

    Raises:
        Refused: a file is not the one that was written.
    """
    manifest: dict[str, Any] = json.loads((place / MANIFEST).read_text(encoding="utf-8"))
    models = {}
    for file, expected in manifest["files"].items():
        path = place / file
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != expected:
            raise Refused(f"{path} is not the file that was written: train the model again")
        models[path.stem] = loads(data, str(path))
    return models, manifest
