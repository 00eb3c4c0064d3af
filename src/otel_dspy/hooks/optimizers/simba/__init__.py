"""Hook for SIMBA: steps, strategies, trials and scores."""
