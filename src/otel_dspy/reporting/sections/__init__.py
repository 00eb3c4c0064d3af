"""Sections of the report: pure functions of one `Compile` to what every format of the report shows."""
