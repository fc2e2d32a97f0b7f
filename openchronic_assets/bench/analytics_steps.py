"""The steps of ``bench analytics``, each run by ``measure`` in a process of its own."""

from __future__ import annotations

import datetime
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from openchronic_assets.analytics.risk import features, models, sources, subjects
from openchronic_assets.analytics.risk.models import Part
from openchronic_assets.analytics.risk.run import fold_of
from openchronic_assets.analytics.risk.study import standard
from openchronic_assets.bench.analytics_marts import make
from openchronic_assets.errors import OpenChronicError

THREADS = 2


def risk(persons: int, landmarks: int) -> dict[str, Any]:
    """Observe people at landmarks, compute their features, fit the gradient boosting."""
    with tempfile.TemporaryDirectory(prefix="openchronic-bench-") as name:
        path = Path(name) / "marts.duckdb"
        make(path, persons)
        study = standard("ald_onset")
        days = tuple(datetime.date(2020 + n // 2, 1 + 6 * (n % 2), 1) for n in range(landmarks))
        with duckdb.connect(str(path), read_only=True) as connection:
            connection.execute(f"set threads = {THREADS}")
            began, cpu = time.perf_counter(), _processor()
            sources.open_views(connection, study.information)
            subjects.make_subjects(connection, study, days, study.look_back_months)
            found = features.matrix(connection, readmission=False)
            told = connection.execute(
                "select person_id, label_any from subject order by subject"
            ).fetchnumpy()
            features_s, features_cpu = time.perf_counter() - began, _processor() - cpu
            began, cpu = time.perf_counter(), _processor()
            label = np.ma.filled(np.ma.asarray(told["label_any"]).astype(np.float64), np.nan)
            people = map(str, told["person_id"].tolist())
            fold = np.array([fold_of(each, study.seed) for each in people])
            known = ~np.isnan(label)
            train, held = (
                Part(found.values[rows], label[rows])
                for rows in (known & (fold < 8), known & (fold >= 8))
            )
            models.fit("boosting", found.names, train, held, study.seed)
            boosting_s, boosting_cpu = time.perf_counter() - began, _processor() - cpu
            cpu = _processor()
            connection.execute(
                "select person_id, count(distinct start_date) from main.event_log "
                "group by person_id order by person_id"
            ).fetchall()
            yardstick = _processor() - cpu
            row = connection.execute("select count(*) from main.event_log").fetchone()
        if not train.y.sum():
            raise OpenChronicError("the benchmark saw no onset")
        return {
            "rows": len(label),
            "events": int(row[0]) if row else 0,
            "features": features_s,
            "features_cpu": features_cpu,
            "boosting": boosting_s,
            "boosting_cpu": boosting_cpu,
            "yardstick": yardstick,
        }


def _processor() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


STEPS: dict[str, Callable[..., dict[str, Any]]] = {"risk": risk}

if __name__ == "__main__":
    answer = STEPS[sys.argv[1]](**json.loads(sys.argv[2]))
    sys.stdout.write(f"\n{json.dumps(answer)}\n")
