"""Everything from which the embedded language model `hearth` is made: run ``python -m hearth.build``."""
