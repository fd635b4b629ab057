"""How fast the pipeline is, as a table: `make bench`."""
