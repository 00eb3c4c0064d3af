"""Hooks for the calls inside a program: modules, tools, agents, adapters, embedders, retrievers and interpreters."""
