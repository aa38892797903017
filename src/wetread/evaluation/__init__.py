"""Labels and scores in, numbers with their uncertainty out; numpy, scipy and simpy only."""
