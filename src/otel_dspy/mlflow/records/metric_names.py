"""Names of the metrics on MLflow's runs: the first part is the section in which MLflow shows a metric.

MLflow 3.17 makes a section of everything before the last `/` and sorts the sections by name, those without a `/` last.
So the page of a run begins with the scores, followed by what the optimizer measures and what it uses.
"""

from __future__ import annotations

from typing import Final

FULL_SCORE: Final = "score/full"
"""Score on the whole validation set, of a trial and on the compile's curve, or of a stand-alone evaluation."""
MINIBATCH_SCORE: Final = "score/minibatch"
"""Score on a minibatch. Separate: minibatches are other examples, and a trial's best one is often the luckiest."""
NUM_EXAMPLES: Final = "score/num_examples"
"""Number of examples that the score of a trial is of."""
BEST_SCORE: Final = "score/best"
INITIAL_SCORE: Final = "score/initial"
"""Score of the given program, at step 0."""
ERRORS: Final = "score/errors"
"""Number of examples that failed; `score/errors/<type>`: by the type of their error."""
OBJECTIVE: Final = "score/objective/"
"""Prefix of the means of a metric's further scores."""
SEARCH: Final = "search/"
"""Prefix of the optimizer's own measurements of a trial."""
USAGE: Final = "usage/"
"""Prefix of tokens, calls and cost (USD); `usage/<name>/<role>` is a role's part."""
MODEL_USAGE: Final = f"{USAGE}model/"
"""Prefix of the usage of one language model: `usage/model/<model>/<name>`."""
