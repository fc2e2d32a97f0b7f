"""Who may read the base: projects, the gateway that serves them, the journal of what was done."""
