"""Every recipe trained within the same budget, in one table: `make gans`."""
