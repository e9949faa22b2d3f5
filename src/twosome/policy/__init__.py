"""One frozen language model with two heads: adapters that act and a value head that judges."""
