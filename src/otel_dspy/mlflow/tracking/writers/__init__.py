"""Writers of runs and traces, for one process or several."""
