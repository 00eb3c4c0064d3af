"""Trials as rows of a table, and their text in terminals and logs."""
