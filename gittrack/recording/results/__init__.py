"""Files of parameters and metrics that other programs write and read, as their own tools read them."""
