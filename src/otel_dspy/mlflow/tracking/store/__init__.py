"""MLflow's tracking store: typed reads and writes, entities, transactions, capabilities of the installed MLflow."""
