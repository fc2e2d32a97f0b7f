"""What leaves the warehouse for the people who work with it."""
