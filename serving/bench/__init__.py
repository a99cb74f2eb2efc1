"""What does it cost while it runs?

Each module is a command that asks a running server over HTTP and prints what it measured; none is
part of the service. Read `reload` (bundles published under load).

May import `data`, `models` and the rest of `serving`.
"""
