"""What commands import, imported once: the process that warm commands come from loads this."""

import dbt.cli.main  # noqa: F401
import duckdb  # noqa: F401
import pyspark.sql  # noqa: F401

import openchronic_assets.anonymisation.release
import openchronic_assets.cli
import openchronic_assets.definitions
import openchronic_assets.ingestion.run
import openchronic_assets.mainjob
import openchronic_assets.reports.page
import openchronic_assets.status  # noqa: F401
