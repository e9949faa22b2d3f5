"""Well-known environments of Gymnasium, MiniGrid and TextWorld, told in words."""
