"""What a stream comes from: the grammar of addresses, a registry of kinds, one file a kind.

To add a kind: a file with a subclass of `base.SourceKind`, and a line in `registry.SOURCES`; in another package,
an entry point of the group `pptsn.sources` instead of the line.
"""
