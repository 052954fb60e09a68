"""The one declaration of every table: columns, types, keys and descriptions.

Reads nothing; Spark, Arrow and SQL schemas, the data dictionary and the tests are made from it.
"""
