"""Writers of runs and traces: alone or beside other processes."""
