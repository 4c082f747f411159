"""Other trackers driven through the same work, in an environment of their own (`requirements.txt`)."""
