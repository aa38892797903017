"""The reading worklist: films and first reads in a store, in the order in which they are to be read."""
