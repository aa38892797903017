"""A bundle and films in, predictions out."""
