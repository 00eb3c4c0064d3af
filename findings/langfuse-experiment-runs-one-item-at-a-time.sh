#!/usr/bin/env bash
# Langfuse: `run_experiment(max_concurrency=8)` runs a task that is a plain function on one item at a time.
#
# Seen on 2026-11-30 with langfuse 4.15.6, CPython 3.11.
# Expected: `max_concurrency` is the "maximum number of concurrent task executions (default: 50)", for a task that "can
#           return sync or async results": eight calls of a program, as of DSPy, run side by side.
# Seen:     a plain function is called on the event loop itself, which each call keeps until it returns: no two run at
#           the same time, whatever `max_concurrency` is, and an experiment takes the sum of its calls. Evaluators are
#           called in the same way. Only a task that is a coroutine function runs up to `max_concurrency` times at once.
#
# Output seen:
#   plain function: 1 of 8 items at a time
#   coroutine function: 8 of 8 items at a time
#   coroutine function on asyncio.to_thread: 8 of 8 items at a time
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check langfuse==4.15.6
cd "$folder"
cat >finding.py <<'PYTHON'
import asyncio
import contextlib
import threading
import time

from langfuse import Langfuse

ITEMS = [{"input": f"{number}+1"} for number in range(8)]
lock = threading.Lock()
running = most = 0


@contextlib.contextmanager
def counted():
    global running, most
    with lock:
        running += 1
        most = max(most, running)
    yield
    with lock:
        running -= 1


def plain(*, item, **_):
    with counted():
        time.sleep(0.2)
    return item["input"]


async def awaited(*, item, **_):
    with counted():
        await asyncio.sleep(0.2)
    return item["input"]


async def on_a_thread(*, item, **_):
    with counted():
        return await asyncio.to_thread(time.sleep, 1)


langfuse = Langfuse(public_key="none", secret_key="none", base_url="http://127.0.0.1:9", tracing_enabled=False)
seen = []
for title, task in (
    ("plain function", plain),
    ("coroutine function", awaited),
    ("coroutine function on asyncio.to_thread", on_a_thread),
):
    most = 0
    result = langfuse.run_experiment(name="sums", data=ITEMS, task=task, max_concurrency=8)
    assert len(result.item_results) == 8
    seen.append(most)
    print(f"{title}: {most} of 8 items at a time")
assert seen == [1, 8, 8]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
