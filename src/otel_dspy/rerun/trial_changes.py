"""Changes of a recorded trial before it runs again: other instructions, other examples."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_trial import ScoredExample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.rerun.recorded_trial import RecordedTrial

_PREDICTOR_NAME: Final = re.compile(r"[\w.\[\]]+")


@dataclass(frozen=True)
class Change:
    """What differs from the recorded trial.

    Attributes:
        instructions: other instructions. The part before the first `=` is the predictor, if the program has one of that
            name; else the text is that of its only predictor.
        examples: other examples, by field; None for those of the trial.
    """

    instructions: tuple[str, ...] = ()
    examples: Sequence[Mapping[str, Any]] | None = None

    def apply(self, program: Any, trial: RecordedTrial) -> RecordedTrial:
        """Set the instructions in a program, and return the trial with the examples.

        An example that equals a recorded one keeps its recorded score.

        Args:
            program: the program with the trial's state. It is changed.
            trial: the recorded trial.

        Raises:
            RerunError: An instruction names no predictor of a program that has several, or another one than the only
                predictor, or no example has a field of the recorded ones.
        """
        predictors: dict[str, Any] = dict(program.named_predictors())
        for given in self.instructions:
            name, found, text = given.partition("=")
            if not found or name not in predictors:
                if len(predictors) != 1:
                    names = ", ".join(sorted(predictors))
                    raise RerunError(f"The program has the predictors {names}: write --instruction PREDICTOR=TEXT.")
                (only,) = predictors
                if found and _PREDICTOR_NAME.fullmatch(name):
                    raise RerunError(
                        f"The program has no predictor {name}; it has {only}. If the instruction begins with "
                        f"'{name}=', write --instruction {only}={name}=…"
                    )
                name, text = only, given
            predictor = predictors[name]
            predictor.signature = predictor.signature.with_instructions(_text(text))
        return trial if self.examples is None else replace(trial, examples=_examples(self.examples, trial))


def examples_in(path: Path) -> list[dict[str, Any]]:
    """Read examples: a JSON list of objects, or an object a line.

    Raises:
        RerunError: The file cannot be read, or has another form.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        # Not `splitlines`, which also splits at characters that texts in JSON may contain, such as U+2028.
        lines = [text] if path.suffix == ".json" else [line for line in text.split("\n") if line.strip()]
        values = [json.loads(line) for line in lines]
    except OSError as error:
        raise RerunError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise RerunError(f"{path} is not JSON: {error}") from None
    except RecursionError:
        raise RerunError(f"{path} is nested too deeply to be parsed.") from None
    found = values[0] if path.suffix == ".json" else values
    rows = cast("list[Any]", found) if isinstance(found, list) else []
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise RerunError(f"{path} has no examples: a JSON list of objects, or an object a line (.jsonl).")
    return rows


def _text(given: str) -> str:
    """Return an instruction; `@FILE` is replaced by the text of the file.

    Raises:
        RerunError: The file cannot be read.
    """
    if not given.startswith("@"):
        return given
    try:
        return Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise RerunError(f"{given[1:]} cannot be read: {error}") from None


def _examples(rows: Sequence[Mapping[str, Any]], trial: RecordedTrial) -> tuple[ScoredExample, ...]:
    names = {name for example in trial.examples for name in example.fields}
    if not any(names & row.keys() for row in rows):
        raise RerunError(f"No example has a field of the recorded ones: {', '.join(sorted(names))}.")
    known = {json.dumps(example.fields, sort_keys=True, default=str): example for example in trial.examples}
    found: list[ScoredExample] = []
    for number, row in enumerate(rows):
        same = known.get(json.dumps(row, sort_keys=True, default=str))
        found.append(ScoredExample(str(number), row, {}, None if same is None else same.score))
    return tuple(found)
