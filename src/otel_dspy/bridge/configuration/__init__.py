"""Settings of the bridge: flags and environment variables, addresses, certificates and who may write."""
