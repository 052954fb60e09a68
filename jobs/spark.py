"""The only place that makes a Spark session."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from conf.schema import Settings
from jobs.java import java_home

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DEFAULTS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.adaptive.enabled": "true",
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
    local = settings.spark.master.startswith("local")
    if local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)

    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName(f"nbo {name}")
    if "SPARK_ENV_LOADED" not in os.environ:
        builder = builder.master(settings.spark.master)
    scratch = home / "spark"
    scratch.mkdir(parents=True, exist_ok=True)
    options = {
        **DEFAULTS,
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        "spark.default.parallelism": str(settings.spark.shuffle_partitions),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.driver.extraJavaOptions": "-XX:+UseParallelGC -XX:TieredStopAtLevel=4 -Dlog4j2.level=ERROR",
        **({"spark.local.dir": str(scratch)} if local else {}),
        **settings.spark.conf,
    }
    for key, value in options.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark
