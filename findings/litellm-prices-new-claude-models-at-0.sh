#!/usr/bin/env bash
# LiteLLM: a new Claude, Gemini or GPT-5 model that its price list does not have costs 0.0; others raise.
#
# Seen on 2026-11-30 with litellm 1.106.12, mlflow 3.17.2, CPython 3.11.
# Expected: a model without a price has no cost: completion_cost raises, as for gpt-99, so that whoever adds up costs can
#           say that a price is missing.
# Seen:     rules for names that are not in the list give new models of the families claude, gemini from 2.5 on, gpt-5 to
#           gpt-9 and o1 to o9 what they support. "It carries no pricing, so cost stays on the standard unpriced
#           behavior", one rule says; but a missing price is 0. A model newer than the list, and one that the list has
#           dropped (claude-sonnet-4-20250514), cost nothing: sums are too low and budgets never reached. MLflow, which
#           asks LiteLLM where it is installed, shows 0.0 beside the tokens of such a span.
#
# Output seen:
#   openai/gpt-99: ModelNotMappedError
#   openai/gpt-5.9: 0.0
#   gemini/gemini-9-pro: 0.0
#   anthropic/claude-sonnet-99: 0.0
#   anthropic/claude-sonnet-4-20250514: 0.0
#   anthropic/claude-sonnet-4-5: 4.5
#   MLflow, claude-sonnet-99: without LiteLLM None, with LiteLLM 0.0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12 mlflow-skinny==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import sys

import litellm
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage

litellm.suppress_debug_info = True  # no lines about providers
MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 100_000, "total_tokens": 1_100_000}
NAMES = (
    "openai/gpt-99", "openai/gpt-5.9", "gemini/gemini-9-pro", "anthropic/claude-sonnet-99",
    "anthropic/claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-5",
)
seen = []
for name in NAMES:
    response = litellm.ModelResponse(model=name, usage=MILLION)
    try:
        seen.append(litellm.completion_cost(response, model=name))
    except Exception as error:
        seen.append(type(error).__name__)
    print(f"{name}: {seen[-1]}")

tokens = {"input_tokens": 1_000_000, "output_tokens": 100_000}
with_litellm = calculate_cost_by_model_and_token_usage("claude-sonnet-99", tokens, "anthropic")
sys.modules["litellm"] = None  # as where it is not installed
without = calculate_cost_by_model_and_token_usage("claude-sonnet-99", tokens, "anthropic")
print(f"MLflow, claude-sonnet-99: without LiteLLM {without}, with LiteLLM {with_litellm['total_cost']}")
assert seen == ["ModelNotMappedError", 0.0, 0.0, 0.0, 0.0, 4.5]
assert without is None and with_litellm["total_cost"] == 0.0
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
