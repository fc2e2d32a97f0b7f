"""Scripts that ``spark-submit`` runs; apart, since it puts their folder first on the path."""
