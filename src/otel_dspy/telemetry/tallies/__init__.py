"""Sums over the calls and examples of an evaluation, a trial or a compile."""
