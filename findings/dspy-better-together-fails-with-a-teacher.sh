#!/usr/bin/env bash
# DSPy: BetterTogether with a teacher optimizes nothing: its default prompt optimizer gets a list of teachers and fails.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: "teacher: Optional teacher module(s) for bootstrapping. Can be a single module or list. Passed to
#           optimizers": the demos of the returned program come from the teacher.
# Seen:     a single teacher becomes a list too. BootstrapFewShotWithRandomSearch, the default `p`, deep-copies it as a
#           module: `'list' object has no attribute 'deepcopy'`. The step ends in the middle of its search, with its
#           calls paid, no later step runs, and compile returns the given program without raising.
#
# Output seen:
#   without a teacher: candidates [('p', 100.0), ('', 0.0)], 16 demos, flag_compilation_error_occurred False
#   with a teacher: candidates [('', 0.0)], 0 demos, flag_compilation_error_occurred True
#   calls that the failed step has made: 4
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
from dspy.lm15 import Message, Response, Usage


class Engine:
    """A model that answers right where the prompt has demos."""

    calls = 0

    def complete(self, request):
        self.calls += 1
        answer = "yes" if len(request.messages) > 1 else "no"
        return Response(
            id=None, model="own", message=Message.assistant(f"[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]"),
            finish_reason="stop", usage=Usage(input_tokens=1, output_tokens=1, total_tokens=2),
        )


def metric(example, prediction, trace=None):
    return example.answer == prediction.answer


def optimize(teacher):
    engine = Engine()
    program = dspy.Predict("question -> answer")
    lm = dspy.LM("own/model", engine=engine, cache=False)
    dspy.configure(lm=lm)
    for module in filter(None, (program, teacher)):
        module.set_lm(lm)
    examples = [dspy.Example(question=f"{number}?", answer="yes").with_inputs("question") for number in range(20)]
    with contextlib.redirect_stdout(io.StringIO()):
        found = dspy.BetterTogether(metric=metric).compile(
            program, trainset=examples[2:], valset=examples[:2], teacher=teacher, strategy="p"
        )
    tried = [(candidate["strategy"], candidate["score"]) for candidate in found.candidate_programs]
    return tried, len(found.demos), found.flag_compilation_error_occurred, engine.calls


without = optimize(None)
print("without a teacher: candidates {}, {} demos, flag_compilation_error_occurred {}".format(*without))
taught = optimize(dspy.Predict("question -> answer"))
print("with a teacher: candidates {}, {} demos, flag_compilation_error_occurred {}".format(*taught))
print(f"calls that the failed step has made: {taught[3] - 2}")
assert without[0] == [("p", 100.0), ("", 0.0)] and without[1] and not without[2]
assert taught == ([("", 0.0)], 0, True, 6)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
