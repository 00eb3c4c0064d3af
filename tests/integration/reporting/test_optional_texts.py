"""The report on a program with an output of type `str | None`, whose model answers None."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy

import otel_dspy
import otel_dspy.mlflow
from tests.support.blank_store import store_with_experiment
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from pathlib import Path

EXPERIMENT = "optional texts"


class Sender(dspy.Signature):
    """Find the name of the sender."""

    mail: str = dspy.InputField()
    name: str | None = dspy.OutputField()


def same(example: Any, prediction: Any, trace: object = None) -> bool:
    """Whether the name is the expected one."""
    del trace
    return example.name == prediction.name


def test_the_text_none_differs_from_the_label(tmp_path: Path) -> None:
    """DSPy's chat adapter returns the text 'None': the answer is shown as such, beside the label `null`, with a warning."""
    uri = store_with_experiment(tmp_path, EXPERIMENT)
    mails = [
        dspy.Example(mail=f"Mail {number}", name="Ann" if number % 2 else None).with_inputs("mail")
        for number in range(6)
    ]
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment=EXPERIMENT)
    try:
        with dspy.context(lm=in_process_lm(dspy_script({"name": lambda _: "None"})), adapter=dspy.ChatAdapter()):
            optimizer = dspy.BootstrapFewShotWithRandomSearch(same, num_threads=1)
            optimizer.compile(dspy.Predict(Sender), trainset=mails, restrict=[-3])
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    report = otel_dspy.report(tracking_uri=uri)
    cases = json.loads(report.json)["hard_cases"]["cases"]
    assert [(case["label"], case["answers"]) for case in cases] == [
        ("Ann" if number % 2 else "null", [{"text": "None", "trials": 1}]) for number in range(6)
    ]
    assert "In 6 of 6 examples the winner returns a value of name that is none of its 2 labels." in (
        report.verdict.warnings
    )
