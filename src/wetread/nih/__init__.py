"""What NIH ships of ChestX-ray14 in, typed tables with our own column names out."""
