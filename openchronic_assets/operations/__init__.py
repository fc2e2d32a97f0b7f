"""Running it: alerts, backup, retention, sizing, the bill of materials."""
