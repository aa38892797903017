"""A first read in, what other systems than DICOM take out: FHIR, HL7 version 2."""
