"""Text diff of a trial's program and its ancestors."""

from __future__ import annotations

import json
from typing import Any

import dspy
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from otel_dspy.mlflow.mapping.artifacts.program_changes import MAX_TEXT, changes
from otel_dspy.serialization.programs import snapshot as program_snapshot

TEXTS = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" \n"), max_size=40)
PREDICTORS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "traces": st.none(),
        "train": st.none(),
        "demos": st.lists(st.dictionaries(TEXTS, TEXTS | st.integers() | st.none(), max_size=2), max_size=3),
        "signature": st.fixed_dictionaries(
            {
                "instructions": TEXTS,
                "fields": st.lists(st.fixed_dictionaries({"prefix": TEXTS, "description": TEXTS}), max_size=2),
            }
        ),
        "lm": st.none(),
    }
)
PROGRAMS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(
    st.sampled_from(["answer", "a.b", "c"]), PREDICTORS, max_size=3
)


def _lines(value: str) -> set[str]:
    return set(value.splitlines())


def _named(text: str, section: str) -> set[str]:
    """The lines of the diffs under one heading, with their signs, without fences."""
    (_, _, after) = text.partition(f"## {section}")
    return set(after.partition("\n## ")[0].splitlines())


def test_what_an_optimizer_changes_reads_well() -> None:
    """Instructions, a field's description and demos, against the initial program and against a parent."""
    program = dspy.ChainOfThought("question -> answer")
    initial = program_snapshot(program)
    predictor: Any = program.predict
    predictor.signature = predictor.signature.with_instructions("Add the numbers.\nAnswer with the sum.")
    parent = program_snapshot(program)
    predictor.demos = [dspy.Example(question="1+1", answer="2")]
    predictor.signature = predictor.signature.with_instructions("Add the numbers.\nAnswer in digits.")
    predictor.signature = predictor.signature.with_updated_fields("answer", desc="the sum")
    child = program_snapshot(program)
    assert changes("Trial 1", ("c", child.state), ("i", initial.state), [("p", parent.state)]) == snapshot("""\
# Trial 1

Program c

## Changes since the initial program (i)

### predict: instructions

```diff
@@ -1 +1,2 @@
-Given the fields `question`, produce the fields `answer`.
+Add the numbers.
+Answer in digits.
```

### predict: field descriptions

```diff
@@ -1,3 +1,3 @@
 Question: ${question}
 Reasoning: ${reasoning}
-Answer: ${answer}
+Answer: the sum
```

### predict: demos

```diff
@@ -0,0 +1,3 @@
+demo 1
+  question: 1+1
+  answer: 2
```

## Changes since its parent (p)

### predict: instructions

```diff
@@ -1,2 +1,2 @@
 Add the numbers.
-Answer with the sum.
+Answer in digits.
```

### predict: field descriptions

```diff
@@ -1,3 +1,3 @@
 Question: ${question}
 Reasoning: ${reasoning}
-Answer: ${answer}
+Answer: the sum
```

### predict: demos

```diff
@@ -0,0 +1,3 @@
+demo 1
+  question: 1+1
+  answer: 2
```

## Its texts

### predict: instructions

```text
Add the numbers.
Answer in digits.
```

### predict: field descriptions

```text
Question: ${question}
Reasoning: ${reasoning}
Answer: the sum
```

### predict: demos

```text
demo 1
  question: 1+1
  answer: 2
```
""")


@given(PROGRAMS)
def test_the_same_program_has_no_changes(program: dict[str, Any]) -> None:
    """A program with the same content or id as an ancestor has no diff."""
    state = json.dumps(program)
    text = changes("Trial 1", ("a", state), ("a", json.dumps(program, sort_keys=True)), [("b", state)])
    assert text.count("None: it is the same program.") == 2
    assert "```diff" not in text


@given(PREDICTORS, TEXTS)
def test_every_changed_line_of_an_instruction_is_listed(predictor: dict[str, Any], instructions: str) -> None:
    """Each added line is marked with a plus, each removed line with a minus."""
    old = predictor["signature"]["instructions"]
    changed = {**predictor, "signature": {**predictor["signature"], "instructions": instructions}}
    text = changes("Trial 1", ("new", json.dumps({"p": changed})), ("old", json.dumps({"p": predictor})))
    recorded = _named(text, "Changes since the initial program (old)")
    assert {"+" + line for line in _lines(instructions) - _lines(old)} <= recorded
    assert {"-" + line for line in _lines(old) - _lines(instructions)} <= recorded


@given(PROGRAMS, PROGRAMS)
def test_different_programs_are_never_reported_as_equal(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Two programs with different content are never reported as equal."""
    text = changes("Trial 1", ("b", json.dumps(after)), ("a", json.dumps(before)))
    texts = [json.dumps(_texts(program), sort_keys=True) for program in (before, after)]
    assert ("None: it is the same program." in text) == (texts[0] == texts[1])


def _texts(program: dict[str, Any]) -> dict[str, Any]:
    """The prompt texts of a program by predictor, without empty parts."""
    texts: dict[str, Any] = {}
    for path, state in program.items():
        signature = state["signature"]
        fields = [f"{field['prefix']} {field['description']}".splitlines() for field in signature["fields"]]
        parts = {
            "i": signature["instructions"].splitlines(),
            "f": [line for lines in fields for line in lines],
            "d": state["demos"],
        }
        texts |= {f"{path}/{name}": part for name, part in parts.items() if part}
    return texts


@given(
    st.text()
    | PROGRAMS.map(json.dumps)
    | st.recursive(
        st.none() | st.booleans() | st.text(),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["signature", "demos", "fields", "lm", "x"]), inner)
        ),
    ).map(json.dumps)
)
def test_any_state_can_be_recorded(state: str) -> None:
    """Any state, JSON or not, is rendered without an error."""
    assert changes("Trial 1", ("a", state), ("b", json.dumps({"p": 1}))).startswith("# Trial 1\n\nProgram a\n")


def test_a_program_that_is_code() -> None:
    """Its own state is listed beside that of its predictors; versions of libraries are no change."""
    predictor: dict[str, Any] = {"signature": {"instructions": "Add.", "fields": []}, "demos": []}
    before, after = (
        json.dumps({"code": code, "step": predictor, "metadata": {"dspy": version}})
        for code, version in (("a = 1", "3.3"), ("a = 2", "3.4"))
    )
    text = changes("Trial 1", ("c", after), ("i", before), [])
    assert _named(text, "Changes since the initial program (i)") >= {"### self: code", "-a = 1", "+a = 2"}
    assert _named(text, "Its texts") >= {"### self: code", "### step: instructions"}
    assert "3.4" not in text


def test_large_programs_are_recorded_in_bounds() -> None:
    """Thousands of long demos produce a bounded text that shows its truncation; fences stay closed."""
    demos = [{"q": f"{number} " * 400, "a": "```"} for number in range(2_000)]
    small: dict[str, Any] = {"p": {"demos": [], "signature": {"instructions": "", "fields": []}}}
    large: dict[str, Any] = {
        f"p{i}": {"demos": demos, "signature": {"instructions": "x\n" * 9_000, "fields": []}} for i in range(3)
    }
    text = changes("Trial 1", ("large", json.dumps(large)), ("small", json.dumps(small)))
    assert len(text) <= MAX_TEXT
    assert "more lines" in text
    assert "````" in text
    assert "characters)" in text


def test_a_difference_beyond_what_is_compared_is_marked() -> None:
    """Programs that differ only in the last of thousands of lines are not reported as equal."""
    lines = "\n".join(f"line {number}" for number in range(3_000))
    states = [
        json.dumps({"p": {"demos": [], "signature": {"instructions": f"{lines}\n{end}", "fields": []}}})
        for end in ("before", "after")
    ]
    text = changes("Trial 1", ("b", states[1]), ("a", states[0]))
    assert "(the difference lies beyond line 2000)" in text
    assert "it is the same program" not in text
