"""What people look at in a terminal while an optimization runs and when it has ended, read from its spans alone."""
