#!/usr/bin/env bash
# MLflow: with several processes, its default of four included, `mlflow server` answers each request 40 ms late on Linux.
#
# Seen on 2026-11-30 with mlflow 3.17.2 and uvicorn 0.54.0, CPython 3.11, Linux.
# Expected: more processes answer more requests; a client that sends one after the other sees no difference.
# Seen:     uvicorn, which starts the processes, creates the socket they share without naming TCP as its protocol. asyncio
#           disables Nagle's algorithm only on sockets that name it. The head of an answer and its body are written apart,
#           so that the body stays back until the client's kernel acknowledges the head, which it delays by 40 ms. With
#           one process asyncio itself creates the socket, and the body follows at once.
#
# Output seen:
#   1 process: the fastest of 20 requests took less than 30 ms
#   2 processes: the fastest of 20 requests took 40 ms or more
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 uvicorn==0.54.0
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
cat >finding.py <<'PYTHON'
import sys
import time

import requests

port, processes = sys.argv[1:]
url = f"http://127.0.0.1:{port}"
deadline = time.monotonic() + 120
while True:
    try:
        if requests.get(f"{url}/health", timeout=5).ok:
            break
    except requests.RequestException:
        pass
    assert time.monotonic() < deadline, "the server has not started"
    time.sleep(0.5)
seconds = []
with requests.Session() as session:
    # Linux acknowledges the first answers of a connection at once.
    for _ in range(60):
        began = time.perf_counter()
        session.get(f"{url}/version").raise_for_status()
        seconds.append(time.perf_counter() - began)
fastest = min(seconds[-20:])
name = "1 process" if processes == "1" else f"{processes} processes"
taken = "40 ms or more" if fastest >= 0.039 else "less than 30 ms" if fastest < 0.03 else f"{fastest * 1000:.0f} ms"
print(f"{name}: the fastest of 20 requests took {taken}")
assert taken == ("less than 30 ms" if processes == "1" else "40 ms or more")
PYTHON
for processes in 1 2; do
    port=$("$folder/venv/bin/python" -c "import socket; s = socket.socket(); s.bind(('127.0.0.1', 0)); print(s.getsockname()[1])")
    "$folder/venv/bin/mlflow" server --host 127.0.0.1 --port "$port" --workers "$processes" \
        --backend-store-uri "sqlite:///mlflow-$processes.db" >log 2>&1 &
    "$folder/venv/bin/python" finding.py "$port" "$processes" || { tail -20 log >&2; exit 1; }
    kill $!
    wait $! || true
done
