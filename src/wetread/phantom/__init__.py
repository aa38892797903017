"""Synthetic frontal chest films with known findings and boxes, written as an NIH-layout folder.

The way of the data: cohort -> anatomy -> pathology -> projection (skeleton, vessels) -> lesions
-> detector -> film -> folder.
"""
