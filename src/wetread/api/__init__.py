"""The hospital node's REST interface over the store."""
