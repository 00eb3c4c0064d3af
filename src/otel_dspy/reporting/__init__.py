"""Terminal output of an optimization, from its spans: live progress and a table of trials."""
