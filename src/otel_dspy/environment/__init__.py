"""What a process finds: environment variables, their booleans and numbers with units, installed optional modules."""
