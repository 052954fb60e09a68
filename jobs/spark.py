"""The only place that makes a Spark session."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from conf.settings.schema import Settings
from jobs.java import java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

LOGGING = Path(__file__).with_name("log4j2.properties")
DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.adaptive.enabled": "true",
    # several hundred queries of a stage keep their compiled code; the default of 100 compiles them again and again
    "spark.sql.codegen.cache.maxEntries": "2000",
    # partitions by size alone: a result must not depend on how many cores ran it
    "spark.sql.adaptive.coalescePartitions.parallelismFirst": "false",
}


def session(settings: Settings, name: str) -> SparkSession:
    """Return this process's Spark session, started where ``settings.spark.master`` says.

    Inside ``spark-submit`` the submitted master wins, since Spark has already read it.
    """
    home = Path(settings.home)
    os.environ["JAVA_HOME"] = str(java_home(home))
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    scratch = home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    local = settings.spark.master.startswith("local")
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.setdefault("SPARK_LOCAL_DIRS", str(scratch))
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)

    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(f"nbo {name}")
    if "SPARK_ENV_LOADED" not in os.environ:
        builder = builder.master(settings.spark.master)
    options = {
        **DEFAULTS,
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        "spark.default.parallelism": str(settings.spark.shuffle_partitions),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        # long iterations are cut here: a lineage of a dozen of them overflows the stack
        "spark.checkpoint.dir": str(scratch / "checkpoints"),
        "spark.cleaner.referenceTracking.cleanCheckpoints": "true",
        # Hadoop has a umask of its own, which would let others read what Spark writes
        "spark.hadoop.fs.permissions.umask-mode": f"{_umask():03o}",
        "spark.driver.extraJavaOptions": f"-XX:+UseParallelGC -Dlog4j2.configurationFile={LOGGING.as_uri()}",
        **settings.spark.conf,
    }
    for key, value in options.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def _umask() -> int:
    """Return the process's umask, which the command line has set."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
