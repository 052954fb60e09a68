"""Pure Spark features: DataFrames in, DataFrame out."""
