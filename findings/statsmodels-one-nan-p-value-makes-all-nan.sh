#!/usr/bin/env bash
# statsmodels: one p-value of NaN makes all corrected p-values NaN, and hypotheses are rejected all the same.
#
# Seen on 2026-12-01 with statsmodels 0.15.0, scipy 1.17.1, CPython 3.11.
# Expected: where one of the compared systems has exactly the scores of the baseline, its t-test is NaN. The
#           correction for multiple tests leaves it out or raises; `reject` and the corrected p-values agree.
# Seen:     with `fdr_bh`, `fdr_by` and `simes-hochberg` every corrected p-value is NaN, without a warning, while
#           `reject` is True for some. With `hommel` nothing is rejected. `holm` and `bonferroni` count the NaN as
#           a test.
#
# Output seen:
#   p-values: 0.0, 0.0072, nan
#   fdr_bh of the first two: reject True True, corrected 0.0 0.0072
#   fdr_bh of all: reject True True False, corrected nan nan nan
#   hommel of the first two: reject True True, corrected 0.0 0.0072
#   hommel of all: reject False False False, corrected nan nan nan
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check statsmodels==0.15.0 scipy==1.17.1
cd "$folder"
cat >finding.py <<'PYTHON'
import math
import warnings

from scipy.stats import ttest_rel
from statsmodels.stats.multitest import multipletests

BASELINE = [0.1, 0.4, 0.3, 0.2, 0.6, 0.5, 0.3, 0.4]
SYSTEMS = (
    [0.5, 0.7, 0.7, 0.5, 0.9, 0.9, 0.7, 0.7],
    [0.2, 0.4, 0.5, 0.3, 0.6, 0.7, 0.4, 0.5],
    BASELINE,
)
p_values = [float(ttest_rel(scores, BASELINE).pvalue) for scores in SYSTEMS]
print("p-values: " + ", ".join(str(round(value, 4)) for value in p_values))
warnings.simplefilter("error")
corrections = {}
for method in ("fdr_bh", "hommel"):
    for name, values in (("the first two", p_values[:2]), ("all", p_values)):
        reject, corrected, *_ = multipletests(values, method=method)
        corrections[method, name] = reject.tolist(), corrected.tolist()
        rejected, numbers = " ".join(map(str, reject)), " ".join(str(round(float(value), 4)) for value in corrected)
        print(f"{method} of {name}: reject {rejected}, corrected {numbers}")
for method, expected in (("fdr_bh", [True, True, False]), ("hommel", [False, False, False])):
    reject, corrected = corrections[method, "the first two"]
    assert reject == [True, True]
    assert not any(map(math.isnan, corrected))
    reject, corrected = corrections[method, "all"]
    assert reject == expected
    assert all(map(math.isnan, corrected))
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
