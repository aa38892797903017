"""Labels and scores in, numbers with their uncertainty out; numpy and scipy only."""
