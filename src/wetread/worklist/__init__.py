"""The reading worklist: films and first reads kept in a store, in the order of reading."""
