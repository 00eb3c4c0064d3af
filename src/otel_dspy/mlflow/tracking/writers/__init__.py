"""What writes to one experiment, alone or beside other processes."""
