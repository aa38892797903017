"""Bytes of an image file in, a gray film as uint8 (height, width) out."""
