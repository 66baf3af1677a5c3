"""From a trained system and a recording to an answer: transcripts are generated, emotions are scored."""
