"""Answering over HTTP: `twosome serve` asks a policy, `twosome watch --serve` plays with one (extra `serve`)."""
