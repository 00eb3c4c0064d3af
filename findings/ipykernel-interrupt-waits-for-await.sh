#!/usr/bin/env bash
# ipykernel: the interrupt of a cell that awaits takes effect when what it waits for is there, not at once.
#
# Seen on 2026-11-30 with ipykernel 7.4.0, jupyter_client 8.10.0, tornado 6.6.1, CPython 3.11 on Linux.
# Expected: "Interrupt the kernel" ends `await asyncio.sleep(20)` as it ends `time.sleep(20)`: within a moment.
# Seen:     the cell ends with CancelledError, but only once the 20 s are over.
#
# Output seen:
#   time.sleep(20): KeyboardInterrupt, within 5 s of the interrupt
#   await asyncio.sleep(20): CancelledError, later than 15 s after the interrupt
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ipykernel==7.4.0 jupyter_client==8.10.0 \
    tornado==6.6.1
cd "$folder"
export IPYTHONDIR="$folder/ipython" JUPYTER_RUNTIME_DIR="$folder/runtime"
cat >finding.py <<'PYTHON'
import sys
import time
from pathlib import Path

from jupyter_client.manager import KernelManager

manager = KernelManager()
manager.kernel_spec.argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
manager.start_kernel()
client = manager.client()
client.start_channels()
client.wait_for_ready(timeout=60)


def interrupted(name: str, cell: str) -> tuple[str, float]:
    """Run the cell, interrupt it, and return the error and the seconds from the interrupt to the cell's end."""
    mark = Path(f"{name}.started")
    request = client.execute(f"import asyncio, pathlib, time\npathlib.Path('{mark}').touch()\n{cell}")
    error, at = "no error", None
    while True:
        if at is None and mark.exists():
            time.sleep(1)
            at = time.monotonic()
            manager.interrupt_kernel()
        try:
            message = client.get_iopub_msg(timeout=0.1)
        except Exception:  # nothing yet
            continue
        if message["parent_header"].get("msg_id") != request:
            continue
        if message["msg_type"] == "error":
            error = message["content"]["ename"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return error, time.monotonic() - (at or time.monotonic())


try:
    plain, plain_seconds = interrupted("plain", "time.sleep(20)")
    awaited, awaited_seconds = interrupted("awaited", "await asyncio.sleep(20)")
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
early = "within 5 s of the interrupt" if plain_seconds < 5 else f"after {plain_seconds:.0f} s"
late = "later than 15 s after the interrupt" if awaited_seconds > 15 else f"after {awaited_seconds:.0f} s"
print(f"time.sleep(20): {plain}, {early}")
print(f"await asyncio.sleep(20): {awaited}, {late}")
assert plain == "KeyboardInterrupt" and plain_seconds < 5
assert awaited == "CancelledError" and awaited_seconds > 15
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
