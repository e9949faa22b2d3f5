"""Pictures and tables of what a run recorded. Nothing here needs torch."""
