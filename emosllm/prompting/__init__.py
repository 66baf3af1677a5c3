"""What the LLM is told and what it says back: cues, conversation, batch. All that reaches a model passes here."""
