#!/usr/bin/env bash
# MLflow: long prompts have the price of short ones, half of what they cost, unless LiteLLM is installed beside MLflow.
#
# Seen on 2026-11-30 with mlflow 3.17.2 and litellm 1.106.12, CPython 3.11.
# Expected: a request with more than 200,000 tokens to gemini-2.5-pro, or with more than 272,000 to gpt-5.4, costs twice as
#           much for each token of the prompt. MLflow's catalog of models has these prices, as `long_context`.
# Seen:     MLflow does not read `long_context`: the trace of a long request has the cost of short ones. Where LiteLLM is
#           installed in the process that stores the trace, MLflow asks it for the cost, and the same span has the right
#           one: costs of two users, or before and after an unrelated installation, cannot be compared.
#
# Output seen:
#   without LiteLLM, gemini-2.5-pro: 0.375 for a prompt of 0.750
#   without LiteLLM, gpt-5.4: 0.750 for a prompt of 1.500
#   with LiteLLM, gemini-2.5-pro: 0.750 for a prompt of 0.750
#   with LiteLLM, gpt-5.4: 1.500 for a prompt of 1.500
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_MODEL_CATALOG_URI= LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import importlib.resources
import importlib.util
import json

import mlflow
from mlflow.entities import SpanType
from mlflow.tracing.constant import SpanAttributeKey

MODELS = {"gemini-2.5-pro": "gemini", "gpt-5.4": "openai"}
TOKENS = 300_000
litellm = importlib.util.find_spec("litellm") is not None


def price(model, provider):
    """By MLflow's catalog: dollars for the prompt, as a short and as a long one."""
    catalog = importlib.resources.files("mlflow.utils") / "model_catalog" / f"{provider}.json"
    pricing = json.loads(catalog.read_text())["models"][model]["pricing"]
    (long,) = pricing["long_context"]
    assert long["threshold_tokens"] < TOKENS
    return [TOKENS * found["input_per_million_tokens"] / 1_000_000 for found in (pricing, long)]


def cost(model, provider):
    """Of the trace of one call."""
    with mlflow.start_span("chat", span_type=SpanType.CHAT_MODEL) as span:
        span.set_attribute(SpanAttributeKey.MODEL, model)
        span.set_attribute(SpanAttributeKey.MODEL_PROVIDER, provider)
        usage = {"input_tokens": TOKENS, "output_tokens": 10, "total_tokens": TOKENS + 10}
        span.set_attribute(SpanAttributeKey.CHAT_USAGE, usage)
    mlflow.flush_trace_async_logging()
    return mlflow.get_trace(span.trace_id).info.cost["input_cost"]


mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
for model, provider in MODELS.items():
    found, (short, long) = cost(model, provider), price(model, provider)
    print(f"{'with' if litellm else 'without'} LiteLLM, {model}: {found:.3f} for a prompt of {long:.3f}")
    assert abs(found - (long if litellm else short)) < 1e-9 and long == 2 * short
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
