"""Checks that the doctor makes, a file for each subject."""
