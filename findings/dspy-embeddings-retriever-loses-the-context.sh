#!/usr/bin/env bash
# DSPy: the retriever dspy.retrievers.Embeddings embeds each query on a thread of its own, outside the caller's context.
#
# Seen on 2026-11-28 with dspy 3.4.1, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: what the embedder does for a query belongs to the call of the retriever: its spans are children of the
#           caller's, and settings of `with dspy.context(...)` hold. That is so while the corpus is embedded.
# Seen:     queries go through a queue to a worker thread that copies neither contextvars nor DSPy's settings. The
#           embedder's span starts a trace of its own, and the settings are those of the process. Each query also waits
#           0.1 s for others to share its batch, also where there is one thread.
#
# Output seen:
#   embedding the corpus: same trace True, max_errors 3
#   embedding a query:    same trace False, max_errors 10
#   a query took at least 0.1 s: True
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 numpy==2.4.6 opentelemetry-sdk==1.45.2
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import time

import dspy
import numpy
from opentelemetry.sdk.trace import TracerProvider

tracer = TracerProvider().get_tracer("finding")
calls = []


def embed(texts):
    with tracer.start_as_current_span("embed") as span:
        calls.append((span.context.trace_id, dspy.settings.max_errors))
        return numpy.ones((len(texts), 4))


with tracer.start_as_current_span("request") as request, dspy.context(max_errors=3):
    retriever = dspy.retrievers.Embeddings(corpus=["one", "two"], embedder=embed, k=1)
    began = time.monotonic()
    retriever("a query")
    took = time.monotonic() - began
same = [trace_id == request.get_span_context().trace_id for trace_id, _ in calls]
print(f"embedding the corpus: same trace {same[0]}, max_errors {calls[0][1]}")
print(f"embedding a query:    same trace {same[1]}, max_errors {calls[1][1]}")
print(f"a query took at least 0.1 s: {took >= 0.099}")
assert same == [True, False] and calls[0][1] == 3 and calls[1][1] != 3 and took >= 0.099
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
