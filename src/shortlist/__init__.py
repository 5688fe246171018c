"""Shortlist: from an event log to a ranked shortlist for every user, in milliseconds."""
