"""Several proposals of one iteration, which gepa gives minibatches of the iteration before."""

from __future__ import annotations

from gepa.strategies.proposal_sampling import SameParentSampling

from tests.support.gepa_texts import optimize_texts
from tests.support.gepa_trials import trials
from tests.support.span_recorder import recording


def test_each_trial_names_its_minibatch() -> None:
    """The last minibatch of an iteration is the first one of the next."""
    with recording() as recorder:
        optimize_texts(sampling_strategy=SameParentSampling(2), max_metric_calls=24)
    _, *proposals = trials(recorder)
    minibatches = [proposal["parameter.minibatch"] for proposal in proposals]
    assert len(minibatches) >= 4
    assert minibatches[1] == minibatches[2]
    assert minibatches[0] != minibatches[1]
