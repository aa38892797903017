"""A recipe and a cache in, a run folder out: weights, history and what is needed to repeat it."""
