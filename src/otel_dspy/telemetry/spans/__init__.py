"""The spans of the contract: compile, trial, evaluation, example, metric and attempt."""
