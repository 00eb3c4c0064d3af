"""SIMBA: trials, mini-batches, strategies and scores."""
