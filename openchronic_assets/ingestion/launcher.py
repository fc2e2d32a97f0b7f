"""How Dagster launches an ingestion: in the run's own process, or by ``spark-submit``."""

# Annotations are values here: Dagster reads those of a resource.
import sys
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterPipesExecutionError
from dagster_pyspark import LazyPySparkResource
from pyspark.sql import SparkSession

from openchronic_assets import jobs, progress
from openchronic_assets.errors import OpenChronicError
from openchronic_assets.ingestion.arrivals import Taken, take_in, waiting
from openchronic_assets.ingestion.spark import closed, prepare_environment, submit_command
from openchronic_assets.settings import HOME_VARIABLE, Home

SCRIPT = Path(jobs.__file__).with_name("take_in.py")


class SparkLauncher(dg.ConfigurableResource):  # type: ignore[type-arg]
    """Launches an ingestion where it is wanted; what is ingested, and how, is the same.

    Attributes:
        mode: ``local`` has the Spark session in the run's process, whatever its master;
            ``submit`` runs ``spark-submit`` in client mode and hears it through Dagster Pipes.
        pyspark: the session of the mode ``local``.
    """

    mode: str = "local"
    pyspark: dg.ResourceDependency[LazyPySparkResource]

    def take_in(self, context: dg.AssetExecutionContext, place: Home) -> Taken:
        """Take in what landed, and return its account.

        Raises:
            OpenChronicError: Java is missing, or the submitted process died.
        """
        if self.mode == "submit" and waiting(place):
            return self._submitted(context, place)
        return take_in(place, self._session, context.log.info, progress.report)

    def _session(self) -> SparkSession:
        prepare_environment()
        found: SparkSession = self.pyspark.spark_session
        return closed(found)

    def _submitted(self, context: dg.AssetExecutionContext, place: Home) -> Taken:
        prepare_environment()
        # Secrets are in the environment that the process inherits, never in the command.
        client = dg.PipesSubprocessClient(
            env={HOME_VARIABLE: str(place.root), "PYSPARK_DRIVER_PYTHON": sys.executable}
        )
        try:
            ended = client.run(context=context, command=submit_command(SCRIPT))
            (account,) = ended.get_custom_messages()
        except (DagsterPipesExecutionError, OSError, ValueError) as error:
            raise OpenChronicError(
                f"spark-submit ended without an account of the ingestion ({type(error).__name__}): "
                "see its output under the run's step, that the master answers and that executors "
                "have memory; what was committed is in the lake, run again"
            ) from None
        return Taken(**account)
