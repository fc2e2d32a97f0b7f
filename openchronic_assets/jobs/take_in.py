"""The ingestion as ``spark-submit`` runs it, under Dagster Pipes: the driver of a cluster's job."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path

from dagster_pipes import open_dagster_pipes

from openchronic_assets.ingestion.arrivals import Taken, take_in
from openchronic_assets.ingestion.spark import session
from openchronic_assets.settings import home


def main() -> None:
    """Take in what landed, and send its account to the asset that launched this process."""
    with open_dagster_pipes() as pipes:
        try:
            taken = take_in(home(), session, pipes.log.info)
        except Exception as error:
            # Its text may quote a row: Dagster shows what a process died of.
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            taken = Taken(failure=f"unforeseen {type(error).__name__} at {place}")
        pipes.report_custom_message(taken.to_json())


if __name__ == "__main__":
    main()
    sys.exit()
