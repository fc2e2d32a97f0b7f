"""Files of other projects, as they are published; ``vendor.json`` says whose."""
