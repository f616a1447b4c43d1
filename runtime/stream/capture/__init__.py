"""What runs in the process of one source: opening it, decoding, sampling, pictures for people.

Each connection to a source is a process of its own: whatever a stream does to a decoder, that process can be
ended, and with it go its memory, its threads and its files.
"""
