"""How long training takes to a given quality: `make record`."""
