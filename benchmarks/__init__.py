"""Measurements of this implementation, each beside a limit that is measured in the same run.

``python -m benchmarks`` prints one table; see :mod:`benchmarks.__main__`.
"""
