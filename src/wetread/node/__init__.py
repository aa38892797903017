"""The hospital node's work: films taken in, scored, delivered; what `wetread serve` runs."""
