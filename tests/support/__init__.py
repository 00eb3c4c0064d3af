"""Servers, programs and readers that the tests of all layers share."""
