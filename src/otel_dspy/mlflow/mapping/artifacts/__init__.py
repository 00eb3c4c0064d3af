"""Contents of the artifacts of runs: tables, the summary of an optimization, changes of a program."""
