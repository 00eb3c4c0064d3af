"""An optimization in the terminal: a line for each trial, the table at the end."""
