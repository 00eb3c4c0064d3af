#!/usr/bin/env bash
# MLflow: the judges of retrieval are shown none of the passages that DSPy has retrieved, and none that are texts.
#
# Seen on 2026-12-01 with mlflow 3.17.2, dspy 3.4.1, CPython 3.11.
# Expected: `RetrievalRelevance` judges each passage of a span of the type RETRIEVER, and `RetrievalGroundedness` the answer
#           by the passages. MLflow's autologging of DSPy records such a span for `dspy.Retrieve`.
# Seen:     the judges read a list of dicts with a text in `page_content`, `content` or `text`; what is anything else they
#           take for no passage, without a warning. The span of `dspy.Retrieve` has `{"passages": [...]}`, a traced function
#           often a list of texts. `RetrievalRelevance` then asks nothing and returns no score, and the model is asked by
#           `RetrievalGroundedness` whether `<document>[]</document>` supports the answer.
#
# Output seen:
#   dspy.Retrieve with mlflow.dspy.autolog: 2 passages found, 0 judged; groundedness by: []
#   a traced function that returns texts: 2 passages found, 0 judged; groundedness by: []
#   a traced function that returns documents: 2 passages found, 2 judged; groundedness by: 2 passages
#   the scores of mlflow.genai.evaluate over the first two: ['retrieval_groundedness/mean']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

prompts = []


class Model(BaseHTTPRequestHandler):
    """A judge that finds all right."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompts.append(body["messages"][-1]["content"])
        message = {"role": "assistant", "content": json.dumps({"rationale": "It is so.", "result": "yes"})}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        encoded = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{server.server_port}/v1"
os.environ.update(OPENAI_API_BASE=url, OPENAI_BASE_URL=url, OPENAI_API_KEY="none")

import dspy
import mlflow
from mlflow.genai.scorers import RetrievalGroundedness, RetrievalRelevance

PASSAGES = ("Oslo is the capital of Norway.", "Oslo lies at a fjord.")
RELEVANCE = RetrievalRelevance(model="openai:/judge")
GROUNDEDNESS = RetrievalGroundedness(model="openai:/judge")


def corpus(query, k, **_):
    return [dspy.Example(long_text=passage) for passage in PASSAGES[:k]]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.retrieve = dspy.Retrieve(k=2)

    def forward(self, question):
        return dspy.Prediction(answer="Oslo", found=len(self.retrieve(question).passages))


@mlflow.trace(span_type="RETRIEVER")
def texts(question):
    return list(PASSAGES)


@mlflow.trace(span_type="RETRIEVER")
def documents(question):
    return [{"page_content": passage} for passage in PASSAGES]


@mlflow.trace
def program(question, retrieve):
    return {"answer": "Oslo", "found": len(retrieve(question))}


def judged(title, found):
    """Number of passages that relevance was judged of, and the document of the judge of groundedness."""
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    prompts.clear()
    scores = [score for score in RELEVANCE(trace=trace) if score.name == "retrieval_relevance"]
    assert len(prompts) == len(scores)
    prompts.clear()
    GROUNDEDNESS(trace=trace)
    (document,) = re.findall(r"<document>(.*?)</document>", prompts[0], re.DOTALL)
    shown = sum(passage in document for passage in PASSAGES)
    shown = f"{shown} passages" if shown else document
    print(f"{title}: {found} passages found, {len(scores)} judged; groundedness by: {shown}")
    return trace, (found, len(scores), shown)


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.dspy.autolog()
question = "What is the capital of Norway?"
with dspy.context(rm=corpus):
    found = Program()(question=question).found
of_dspy, first = judged("dspy.Retrieve with mlflow.dspy.autolog", found)
of_texts, second = judged("a traced function that returns texts", program(question, texts)["found"])
_, third = judged("a traced function that returns documents", program(question, documents)["found"])
with contextlib.redirect_stdout(io.StringIO()):
    scores = mlflow.genai.evaluate(data=[{"trace": of_dspy}, {"trace": of_texts}], scorers=[RELEVANCE, GROUNDEDNESS])
print(f"the scores of mlflow.genai.evaluate over the first two: {sorted(scores.metrics)}")
assert first == (2, 0, "[]")
assert second == (2, 0, "[]")
assert third == (2, 2, "2 passages")
assert sorted(scores.metrics) == ["retrieval_groundedness/mean"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
