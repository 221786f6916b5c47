"""The same work in micrograd and in what one would take instead, side by side: `python -m benchmarks`."""
