"""One file an optimizer: what its trial is and where its facts stand; `generic` for the ones that nobody knows."""
