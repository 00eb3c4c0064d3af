"""Text that MLflow's runs, the reports and the terminal show: trials, reasons of stops, recorded text."""
