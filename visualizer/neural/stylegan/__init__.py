"""StyleGANs that others trained, in plain torch."""
