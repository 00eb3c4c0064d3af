#!/usr/bin/env bash
# DSPy: one answer that cannot be parsed ends BootstrapFinetune, after all examples have run.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: an example whose answer cannot be parsed has failed. With a metric, only the examples that it finds right
#           are trained on.
# Seen:     the bootstrap gives such an example the score -1, which is true: the metric's filter keeps it. Writing the
#           training data then raises AttributeError, as the failed answer has no fields. No model is trained, also
#           where nine of ten examples are right.
#
# Output seen:
#   all answers can be parsed: 10 examples, all right; trained on 10
#   one cannot: AttributeError: 'FailedPrediction' object has no attribute 'get'; trained on nothing
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
from dspy.clients.provider import Provider
from dspy.lm15 import Message, Response, TextPart, Usage

trained = []


class Trainer(Provider):
    """Keeps what a fine-tuning job gets."""

    def __init__(self):
        super().__init__()
        self.finetunable = True

    @staticmethod
    def finetune(job, model, train_data, train_data_format, train_kwargs=None):
        trained.append(len(train_data))
        return model


class Model:
    """Answers as asked for, but for one question, to which it says no more than that it cannot."""

    def __init__(self, refused):
        self.refused = refused

    def complete(self, request):
        asked = request.messages[-1].parts[0].text
        text = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
        if self.refused is not None and f"question {self.refused}?" in asked:
            text = "I cannot answer this."
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


def metric(example, prediction, trace=None):
    return prediction.answer == example.answer


TRAINSET = [dspy.Example(question=f"question {number}?", answer="yes").with_inputs("question") for number in range(10)]


def finetune(refused):
    lm = dspy.LM("openai/model", engine=Model(refused), cache=False, provider=Trainer())
    dspy.configure(lm=lm)
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    trained.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        dspy.BootstrapFinetune(metric=metric, num_threads=1).compile(program, trainset=TRAINSET)


finetune(refused=None)
print(f"all answers can be parsed: 10 examples, all right; trained on {trained[0]}")
assert trained == [10]
try:
    finetune(refused=3)
except AttributeError as error:
    print(f"one cannot: AttributeError: {error}; trained on {trained or 'nothing'}")
    assert (str(error), trained) == ("'FailedPrediction' object has no attribute 'get'", [])
else:
    raise SystemExit(f"no error: trained on {trained}")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
