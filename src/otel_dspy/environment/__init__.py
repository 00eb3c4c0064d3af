"""Environment variables: names that several parts know, booleans, and numbers with units."""
