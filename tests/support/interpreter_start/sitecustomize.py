"""Run by each interpreter that a test starts, before anything else: `tests.support.interpreters` puts this folder on its path.

A third of the time that DSPy and MLflow take to import goes to collections of garbage that is none yet.
"""

import gc

gc.set_threshold(400_000, 20, 100)  # `GC_THRESHOLDS` of `tests.support.fork_server`
