"""The demonstration: bundled synthetic recordings, and the whole curriculum on a bundled mini-corpus."""
