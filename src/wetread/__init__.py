"""A first read of every chest film: train, evaluate honestly, screen. Research use only."""

__version__ = "0.1.0"
