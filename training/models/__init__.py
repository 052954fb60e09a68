"""Models as files that cannot run code, their explanations, and the registry in MLflow.

Reads fitted estimators; leaves model folders and registered versions.
"""
