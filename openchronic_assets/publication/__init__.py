"""What the public sees: the atlas, made from ``release/`` and from nothing else."""
