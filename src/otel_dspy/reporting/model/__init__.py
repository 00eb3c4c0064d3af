"""A recorded optimization as data: the one input of every view of it."""
