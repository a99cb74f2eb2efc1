"""What is measured side by side: our service, and what one would write instead of it.

Each file is one whole system, as short as its user would write it; `catalogue` tells how each is
started and asked. All answer from the same bundle, on one thread per worker.
"""
