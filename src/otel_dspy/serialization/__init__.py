"""Serialization of the user's objects, programs, examples and datasets, and the digests that identify them."""
