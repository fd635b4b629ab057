"""Every recipe, with its own length of training or one for all, in one table: `make gans`."""
