"""Hook for MIPROv2: phases, trials, full evaluations."""
