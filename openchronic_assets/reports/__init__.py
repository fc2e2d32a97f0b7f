"""The run report: one page of HTML for each delivery."""
