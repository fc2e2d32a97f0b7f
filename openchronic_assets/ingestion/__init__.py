"""From a delivery to typed, pseudonymised rows: every line kept or quarantined with its reason."""
