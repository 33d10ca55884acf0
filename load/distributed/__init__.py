"""One run on many workers: the master, the workers, what they tell each other, and what happens when one is lost."""
