#!/usr/bin/env bash
# gepa: a GEPAResult that is stored as JSON has other keys: the ids of the validation examples come back as texts.
#
# Seen on 2026-11-29 with gepa 0.1.4, CPython 3.11.
# Expected: "to_dict() / from_dict() for JSON-safe round-tripping": what from_dict returns is the result that was stored.
# Seen:     the validation ids are integers, keys of dictionaries, which JSON turns to texts and from_dict does not turn
#           back. The result is another one, and a look-up by id finds nothing: .get(0) is None, [0] raises. Without
#           JSON in between, from_dict(to_dict()) is equal.
#
# Output seen:
#   stored: scores of candidate 0 {0: 0.5, 1: 0.5, 2: 0.5}, of validation example 0: 0.5
#   read back: scores of candidate 0 {'0': 0.5, '1': 0.5, '2': 0.5}, of validation example 0: None
#   equal without JSON: True, through JSON: False
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import contextlib
import io
import json

import gepa
from gepa import EvaluationBatch
from gepa.core.result import GEPAResult


class Adapter:
    """A longer text is better."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        scores = [len(candidate["text"]) / 2 for _ in batch]
        return EvaluationBatch(outputs=scores, scores=scores, trajectories=[{}] * len(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate, evaluated, components):
        return {name: [{"Feedback": "longer"}] for name in components}


with contextlib.redirect_stdout(io.StringIO()):
    stored = gepa.optimize(
        seed_candidate={"text": "a"},
        trainset=[1, 2, 3],
        valset=[1, 2, 3],
        adapter=Adapter(),
        reflection_lm=lambda prompt: "```\nbb\n```",
        max_metric_calls=12,
    )
read = GEPAResult.from_dict(json.loads(json.dumps(stored.to_dict())))
for name, result in (("stored", stored), ("read back", read)):
    scores = result.val_subscores[0]
    print(f"{name}: scores of candidate 0 {scores}, of validation example 0: {scores.get(0)}")
plain = GEPAResult.from_dict(stored.to_dict()) == stored
print(f"equal without JSON: {plain}, through JSON: {read == stored}")
assert plain and read != stored
assert stored.val_subscores[0] == {0: 0.5, 1: 0.5, 2: 0.5} and read.val_subscores[0] == {"0": 0.5, "1": 0.5, "2": 0.5}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
