"""Sections of the report on prompts: what changed, which trial introduced it."""
