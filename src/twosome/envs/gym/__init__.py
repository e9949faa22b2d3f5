"""Well-known environments of Gymnasium and MiniGrid, told in words."""
