"""Programs around the pipeline: what proves, measures or tortures it. No stage imports them; `make` runs them."""
