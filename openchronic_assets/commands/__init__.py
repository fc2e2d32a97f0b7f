"""The commands of ``openchronic``, one module a subject; ``cli`` lists them."""
