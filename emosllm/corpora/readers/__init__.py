"""One file a corpus: each reads the folder that its authors ship and has a card.

The way in is `emosllm.corpora.read_corpus`, which picks the reader by name.
"""
