"""Sections of the report on the result: which trial won, why, and whether it is more than chance."""
