import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.+)"', (here / "micrograd/__init__.py").read_text())[1]

compile_ = ["numpy", "llvmlite"]
viz = ["graphviz", "pygraphviz"]
plots = [*compile_, *viz, "matplotlib", "scikit-learn", "tqdm"]
demo = [*plots, "jupyterlab"]
test = [
    *plots,
    "pytest",
    "pytest-cov",
    "pytest-randomly",
    "pytest-xdist",
    "hypothesis",
    "nbclient",
    "ipykernel",
    "playwright",
    "mypy==2.4.1",
    "torch==2.13.0",
]

setup(
    name="micrograd",
    version=version,
    description="Scalar autograd and neural networks that one can read in one sitting",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="MIT",
    license_files=["LICENSE"],
    packages=find_packages(include=["micrograd", "micrograd.*"]),
    package_data={"micrograd": ["py.typed", "replay.html"]},
    python_requires=">=3.11",
    extras_require={
        "compile": compile_,
        "torch": [*compile_, "torch"],
        "viz": viz,
        "demo": demo,
        "test": test,
        "dev": [*test, "ruff==0.17.6", "nox==2026.10.20", "pyperf"],
    },
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Intended Audience :: Education",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
