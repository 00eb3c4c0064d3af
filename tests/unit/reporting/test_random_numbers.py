from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import importlib, pkgutil, random, sys, threading, time

import numpy as np

import otel_dspy.reporting

assert "rich.style" not in sys.modules, "its import would not be observed"
random.seed(1)
np.random.seed(1)
before = random.getstate(), repr(np.random.get_state())
drawn = []


def draw():
    while not done.is_set():
        drawn.append(random.getrandbits(32))
        time.sleep(0.001)


done, other = threading.Event(), threading.Thread(target=draw, daemon=True)
other.start()
for module in pkgutil.walk_packages(otel_dspy.reporting.__path__, "otel_dspy.reporting."):
    importlib.import_module(module.name)
done.set()
other.join()
assert "rich.style" in sys.modules
random.seed(1)
assert drawn == [random.getrandbits(32) for _ in drawn]
random.seed(1)
assert (random.getstate(), repr(np.random.get_state())) == before
assert random.getrandbits.__self__ is random.random.__self__
print("unchanged")
"""


def test_reports_draw_no_random_numbers_of_the_program() -> None:
    """Their packages are imported on a thread while a seeded program draws: its numbers are those without them."""
    # A start of the interpreter: the forked programs' has imported rich.
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=False)
    assert (done.stdout, done.returncode) == ("unchanged\n", 0), done.stderr
