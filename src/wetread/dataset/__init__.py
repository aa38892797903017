"""Films in, batches out: a memory-mapped cache of preprocessed pixels, and what reads it."""
