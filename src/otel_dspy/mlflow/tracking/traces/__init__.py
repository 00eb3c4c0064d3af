"""Spans and trace infos, sent in batches."""
