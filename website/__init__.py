"""What the documentation's site has beyond the pages in docs/."""
