"""How fast scoring and training are, side by side with other ways of computing the same numbers.

`ways` and `cached` score actions by padded rows, a key-value cache, lm-evaluation-harness and packing; `compare`
times them in turn; `reference` is a training loop as the paper's published settings describe it. The command
`twosome bench` and the scripts in ``benchmarks/`` are thin shells around these.
"""
