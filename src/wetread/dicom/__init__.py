"""DICOM objects and the network: films in from the hospital, results of a first read out."""
