"""The gate's own process."""

from openchronic_assets.anonymisation.gate import main

main()
